//! Properties of the source itself. Each test also fails when it looked at nothing.

use anyhow::{Context, Result, ensure};
use minewatch_tests::process::{repository, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A screen: a longer function is read in parts, so it should be parts.
const FUNCTION_LINES_MAX: usize = 70;
/// A longer file has more than one subject.
const FILE_LINES_MAX: usize = 500;

/// Files of the repository (tracked, or new and not ignored) that end in one of `endings`.
fn files(endings: &[&str]) -> Result<Vec<PathBuf>> {
    let listed = run(Command::new("git").current_dir(repository()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let found: Vec<PathBuf> = listed
        .lines()
        .filter(|path| endings.is_empty() || endings.iter().any(|ending| path.ends_with(ending)))
        .map(|path| repository().join(path))
        .filter(|path| path.is_file())
        .collect();
    ensure!(!found.is_empty(), "no files ending in {endings:?}: this test looked at nothing");
    Ok(found)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap_or(path).display().to_string()
}

/// Name, first line and length of every function with a body; the source is formatted, so a
/// function ends at the first closing brace of its own indentation.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let end = lines[number..].iter().enumerate().position(|(after, line)| ends_function(line, indent, after == 0));
        found.push((name, number + 1, end.map_or(lines.len() - number, |lines| lines + 1)));
    }
    found
}

/// Whether a line is the last of a function that began at this indentation: its closing brace, the
/// semicolon of a declaration, or the only line of a function that stands on one.
fn ends_function(line: &str, indent: usize, first: bool) -> bool {
    let at_indent = line.len() - line.trim_start().len() == indent;
    let text = line.trim();
    at_indent && (text == "}" || text.ends_with(';') || (first && text.ends_with('}')))
}

fn function_name(line: &str) -> Option<String> {
    let mut rest = line.trim_start();
    for word in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let name: String = rest.strip_prefix("fn ")?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Some(name).filter(|name| !name.is_empty())
}

#[test]
fn the_measure_of_a_function_is_right() {
    let text = "impl A {\n    pub(crate) async fn long(\n        a: u8,\n    ) -> u8 {\n        a\n    }\n    fn declared(&self);\n}\nfn one() {}\nfn two() {\n}\n";
    let found: Vec<_> = functions(text).into_iter().map(|(name, at, lines)| format!("{name} {at} {lines}")).collect();
    assert_eq!(found, ["long 2 5", "declared 7 1", "one 9 1", "two 10 2"]);
}

#[test]
fn no_function_is_longer_than_a_screen() -> Result<()> {
    let mut seen = 0;
    let mut long = Vec::new();
    for path in files(&[".rs"])? {
        for (name, at, lines) in functions(&fs::read_to_string(&path)?) {
            seen += 1;
            if lines > FUNCTION_LINES_MAX {
                long.push(format!("{}:{at} fn {name}: {lines} lines", shown(&path)));
            }
        }
    }
    assert!(seen > 100, "only {seen} functions seen");
    assert!(long.is_empty(), "longer than {FUNCTION_LINES_MAX} lines:\n{}", long.join("\n"));
    Ok(())
}

#[test]
fn no_source_file_is_longer_than_its_subject() -> Result<()> {
    let mut long = Vec::new();
    for path in files(&[".rs", ".svelte", ".ts", ".py", ".mjs"])? {
        let lines = fs::read_to_string(&path)?.lines().count();
        if lines > FILE_LINES_MAX {
            long.push(format!("{}: {lines} lines", shown(&path)));
        }
    }
    assert!(long.is_empty(), "longer than {FILE_LINES_MAX} lines:\n{}", long.join("\n"));
    Ok(())
}

#[test]
fn nothing_is_left_half_done_and_no_test_is_switched_off() -> Result<()> {
    // Put together here, so that this file does not find itself.
    let marks = [["to", "do!("], ["unimpl", "emented!("], ["#[ig", "nore"], ["FIX", "ME"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for path in files(&[".rs", ".ts", ".svelte", ".mjs", ".py"])? {
        let text = fs::read_to_string(&path)?;
        for (number, line) in text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(*mark)) {
                found.push(format!("{}:{}: {mark}", shown(&path), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "left-over marks:\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn no_file_names_a_path_of_the_machine_it_was_written_on() -> Result<()> {
    let roots = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"]].map(|parts| parts.concat());
    let mut seen = 0;
    let mut found = Vec::new();
    for path in files(&[])? {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        seen += 1;
        for (number, line) in text.lines().enumerate() {
            // A path starts a word: `a/work/b` inside a URL or a relative path is none.
            let starts = |root: &String| {
                line.match_indices(root.as_str()).any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '}'))
                })
            };
            if roots.iter().any(starts) {
                found.push(format!("{}:{}: {}", shown(&path), number + 1, line.trim()));
            }
        }
    }
    assert!(seen > 50, "only {seen} files read");
    assert!(found.is_empty(), "paths of one machine:\n{}", found.join("\n"));
    Ok(())
}

/// Targets of the inline links of a markdown text, code left out.
fn links(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect();
        for rest in prose.split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                out.push(target.split_whitespace().next().unwrap_or_default().to_owned());
            }
        }
    }
    out
}

#[test]
fn every_link_of_the_documents_resolves() -> Result<()> {
    assert_eq!(links("[a](b.md#c) `[x](y)` [d](e \"t\")\n```\n[f](g)\n```\n"), ["b.md#c", "e"]);
    let mut broken = Vec::new();
    for path in files(&[".md"])? {
        let folder = path.parent().context("a file has a folder")?;
        for target in links(&fs::read_to_string(&path)?) {
            let file = target.split('#').next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:");
            if !outside && !file.is_empty() && !folder.join(file).exists() {
                broken.push(format!("{}: {target}", shown(&path)));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
    Ok(())
}
