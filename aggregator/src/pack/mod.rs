//! Evidence packs: what left the house about a case, signed so that anybody can check it without us.
//!
//! Invariant: every variant (JSON, page, PDF) carries the SHA-256 of what was signed, the public key and
//! an Ed25519 signature by the key that also signs the audit trail's head. The JSON signs its
//! `content`; page and PDF end with a line that signs every byte before it, so that one file is enough.

pub mod font;
pub mod pdf;
pub mod sheet;

use crate::audit::head::{Signer, attested};
use crate::audit::hex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Largest pack read: a case has at most 1,000 steps and 1,000 alarms.
const PACK_BYTES_MAX: u64 = 512 << 20;
/// What the signing line of a page or PDF holds.
const MARK: &str = "minewatch-signature-v1 ";

/// A pack as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedPack {
    /// SHA-256 of `content`.
    pub sha256: String,
    /// Public key, base64.
    pub key: String,
    /// Ed25519 over the hash, base64.
    pub signature: String,
    /// The pack itself, JSON as text: its bytes are what is hashed.
    pub content: String,
}

/// SHA-256 in hex.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn statement(sha256: &str) -> String {
    format!("minewatch-evidence-pack-v1\n{sha256}\n")
}

impl SignedPack {
    /// Signs a content.
    pub fn sign(signer: &Signer, content: String) -> SignedPack {
        let sha256 = digest(content.as_bytes());
        let signature = signer.attest(&statement(&sha256));
        SignedPack { sha256, key: signer.public(), signature, content }
    }
}

/// How a kind of file takes a line that its readers do not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comment {
    /// HTML.
    Page,
    /// PDF; after its end, which readers allow.
    Pdf,
}

/// A page or PDF with the line that signs it.
pub fn sealed(signer: &Signer, mut file: Vec<u8>, comment: Comment) -> Vec<u8> {
    let signature = signer.attest(&statement(&digest(&file)));
    let line = format!("{MARK}{} {signature}", signer.public());
    let line = match comment {
        Comment::Page => format!("\n<!--{line}-->\n"),
        Comment::Pdf => format!("\n%{line}\n"),
    };
    file.extend_from_slice(line.as_bytes());
    file
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The case, where the pack can be read (JSON).
    pub case: Option<String>,
    /// SHA-256 of what is signed.
    pub sha256: String,
    /// The key that signed; compare it with the one you were given.
    pub key: String,
    /// Whether the key is the expected one; absent when none was given.
    pub expected_key: Option<bool>,
    /// Pieces of evidence the pack names.
    pub evidence: usize,
    /// Of them, how many were found in the folder and fit their hash.
    pub evidence_checked: usize,
    /// Whatever is wrong.
    pub findings: Vec<String>,
}

struct Signed<'a> {
    sha256: String,
    key: &'a str,
    signature: &'a str,
}

/// The signing line of a page or PDF, and the hash of what stands before it.
fn last_line(bytes: &[u8]) -> Option<Signed<'_>> {
    let end = bytes.strip_suffix(b"\n")?;
    let start = end.iter().rposition(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&end[start + 1..]).ok()?;
    let line = match line.strip_prefix('%') {
        Some(line) => line,
        None => line.strip_prefix("<!--")?.strip_suffix("-->")?,
    };
    let (key, signature) = line.strip_prefix(MARK)?.split_once(' ')?;
    Some(Signed { sha256: digest(&bytes[..start]), key, signature })
}

/// Checks a pack. `key`: the public key it must be signed with. `evidence`: a folder whose files are
/// held against the hashes in the pack, by their content, whatever their names.
pub fn verify(bytes: &[u8], key: Option<&str>, evidence: &[String]) -> Report {
    let mut report = Report::default();
    let mut check = |signed: &Signed<'_>| {
        if !attested(signed.key, &statement(&signed.sha256), signed.signature) {
            report.findings.push("the signature does not fit: the file is not as it was signed".to_owned());
        }
        report.expected_key = key.map(|key| key.trim() == signed.key);
        if report.expected_key == Some(false) {
            report.findings.push(format!("signed by another key: {}", signed.key));
        }
        report.sha256.clone_from(&signed.sha256);
        report.key = signed.key.to_owned();
    };
    if let Some(signed) = last_line(bytes) {
        check(&signed);
        return report;
    }
    let Ok(pack) = serde_json::from_slice::<SignedPack>(bytes) else {
        report.findings.push("neither a JSON pack nor a page or PDF with a signing line at its end".to_owned());
        return report;
    };
    let sha256 = digest(pack.content.as_bytes());
    check(&Signed { sha256: sha256.clone(), key: &pack.key, signature: &pack.signature });
    if sha256 != pack.sha256 {
        report.findings.push("the content does not have the hash that stands beside it".to_owned());
    }
    let content: Value = serde_json::from_str(&pack.content).unwrap_or_default();
    report.case = content["case"]["id"].as_str().map(str::to_owned);
    let named = content["evidence"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named: Vec<&str> = named.iter().filter_map(|piece| piece["sha256"].as_str()).collect();
    report.evidence = named.len();
    report.evidence_checked = named.iter().filter(|hash| evidence.iter().any(|found| found == *hash)).count();
    if !evidence.is_empty() {
        let missing = named.iter().filter(|hash| !evidence.iter().any(|found| found == *hash));
        report.findings.extend(missing.map(|hash| format!("no file has the hash {hash}")));
    }
    report
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(file)?.len() > PACK_BYTES_MAX {
        return Err(std::io::Error::other("larger than any pack"));
    }
    std::fs::read(file)
}

/// Checks a file, offline.
///
/// # Errors
/// When a file cannot be read.
pub fn verify_file(file: &Path, key: Option<&str>, evidence: Option<&Path>) -> std::io::Result<Report> {
    let mut hashes = Vec::new();
    if let Some(folder) = evidence {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                hashes.push(digest(&read(&entry.path())?));
            }
        }
    }
    let mut report = verify(&read(file)?, key, &hashes);
    if evidence.is_some() && hashes.is_empty() && report.evidence > 0 {
        report.findings.push("the folder holds no file".to_owned());
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn signer(name: &str) -> Signer {
        let folder = tempfile::tempdir().expect("folder");
        Signer::open(&folder.path().join(name)).expect("made")
    }

    fn pack(signer: &Signer) -> Vec<u8> {
        let evidence = json!([{ "sha256": digest(b"photo") }, { "sha256": digest(b"clip") }]);
        let content = json!({ "case": { "id": "c-1" }, "evidence": evidence }).to_string();
        serde_json::to_vec(&SignedPack::sign(signer, content)).expect("JSON")
    }

    #[test]
    fn a_sound_pack_has_no_findings_and_names_what_it_holds() {
        let (ours, stranger) = (signer("a"), signer("b"));
        let report = verify(&pack(&ours), Some(&ours.public()), &[digest(b"clip"), digest(b"photo")]);
        assert_eq!((report.findings.len(), report.case.as_deref(), report.evidence_checked), (0, Some("c-1"), 2));
        assert_eq!(report.expected_key, Some(true));
        let other = verify(&pack(&ours), Some(&stranger.public()), &[]);
        assert_eq!((other.expected_key, other.findings.len()), (Some(false), 1), "{other:?}");
        let short = verify(&pack(&ours), None, &[digest(b"clip")]);
        assert_eq!(short.findings, [format!("no file has the hash {}", digest(b"photo"))]);
    }

    #[test]
    fn whatever_one_changes_is_found() {
        let ours = signer("a");
        let whole = pack(&ours);
        let mut fields: Value = serde_json::from_slice(&whole).expect("JSON");
        fields["content"] = json!(fields["content"].as_str().expect("text").replace("c-1", "c-2"));
        assert_eq!(verify(fields.to_string().as_bytes(), None, &[]).findings.len(), 2, "hash and signature");
        fields["sha256"] = json!(digest(fields["content"].as_str().expect("text").as_bytes()));
        assert_eq!(verify(fields.to_string().as_bytes(), None, &[]).findings.len(), 1, "the signature stays");
        for comment in [Comment::Page, Comment::Pdf] {
            let file = sealed(&ours, b"%PDF-1.7\nbody\n%%EOF".to_vec(), comment);
            assert_eq!(verify(&file, Some(&ours.public()), &[]).findings, Vec::<String>::new());
            for at in 0..file.len() {
                let mut broken = file.clone();
                broken[at] ^= 1;
                assert!(!verify(&broken, Some(&ours.public()), &[]).findings.is_empty(), "{comment:?} byte {at}");
            }
            let mut longer = file.clone();
            longer.extend_from_slice(b"more\n");
            assert!(!verify(&longer, None, &[]).findings.is_empty());
        }
        assert!(!verify(b"", None, &[]).findings.is_empty());
    }
}
