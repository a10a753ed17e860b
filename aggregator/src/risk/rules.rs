//! Rules from a folder, or the shipped ones.

use minewatch_risk::dictionary::Dictionary;
use minewatch_risk::rule::{Fault, Rule, RuleFile, SHIPPED, World, compile_all};
use std::path::Path;

/// Most rule files of a folder.
const FILES_MAX: usize = 5_000;

/// A rule file as it was read.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name of the file, or the version's reference.
    pub name: String,
    /// What it says.
    pub file: RuleFile,
    /// As it is written.
    pub text: String,
}

/// Rules as they were read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Every file that could be read.
    pub files: Vec<Source>,
    /// What could not.
    pub faults: Vec<Fault>,
}

fn fault(name: &str, why: String) -> Fault {
    Fault { file: name.to_owned(), at: "file".to_owned(), why }
}

fn names(folder: &Path, into: &mut Vec<std::path::PathBuf>, depth: usize) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth > 0 {
            names(&path, into, depth - 1)?;
        } else if path.extension().is_some_and(|ending| ending == "toml") && into.len() < FILES_MAX {
            into.push(path);
        }
    }
    Ok(())
}

/// Reads a file, a folder of TOML files (two levels), or without one the shipped rules.
pub fn load(from: Option<&Path>) -> Loaded {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    let mut take = |name: String, text: &str| match RuleFile::read(&name, text) {
        Ok(file) => files.push(Source { name, file, text: text.to_owned() }),
        Err(one) => faults.push(one),
    };
    let Some(from) = from else {
        SHIPPED.iter().for_each(|(name, text)| take((*name).to_owned(), text));
        return Loaded { files, faults };
    };
    let (mut paths, mut bad) = (Vec::new(), Vec::new());
    if from.is_dir() {
        if let Err(error) = names(from, &mut paths, 2) {
            bad.push(fault(&from.display().to_string(), error.to_string()));
        }
        paths.sort();
    } else {
        paths.push(from.to_path_buf());
    }
    for path in paths {
        match std::fs::read_to_string(&path) {
            Ok(text) => take(path.display().to_string(), &text),
            Err(error) => bad.push(fault(&path.display().to_string(), error.to_string())),
        }
    }
    faults.append(&mut bad);
    Loaded { files, faults }
}

impl Loaded {
    /// Compiled, with the world they were compiled for, and every fault.
    pub fn compile(&self, dictionary: &Dictionary) -> (Vec<Rule>, World, Vec<Fault>) {
        let mut world = World::of(dictionary);
        let (rules, more) = compile_all(self.files.iter().map(|one| (one.name.as_str(), &one.file)), &mut world);
        (rules, world, self.faults.iter().cloned().chain(more).collect())
    }
}
