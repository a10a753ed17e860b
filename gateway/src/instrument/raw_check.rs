//! Checks over a whole instrument map: what no single entry can see.

use super::map::{Quantity, RegisterMap};
use super::plan::Function;
use crate::config::Problems;
use std::collections::BTreeMap;

pub(super) fn check(file: &str, map: &RegisterMap, problems: &Problems) {
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".toml");
    if !map.id.is_empty() && map.id != stem {
        problems.add(file, format!("id {:?} must be the file's name without .toml, {stem:?}", map.id));
    }
    unique_ids(file, map, problems);
    for quantity in &map.quantities {
        fits(file, map, quantity, problems);
    }
    groups(file, map, problems);
    if let Some(trigger) = map.trigger
        && trigger.wait_ms + trigger.stagger_ms_per_address * 247 > 10 * super::map::TIMEOUT_MS_MAX
    {
        problems.add(file, "trigger: the wait of the highest unit address is longer than 20 minutes");
    }
    if let Some(trigger) = map.trigger
        && let Some(blocked) = map.write_blocked(Function::Holding, trigger.address)
    {
        problems
            .add(file, format!("trigger writes register {}, which is blocked: {}", trigger.address, blocked.reason));
    }
}

fn unique_ids(file: &str, map: &RegisterMap, problems: &Problems) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for quantity in &map.quantities {
        *seen.entry(quantity.id.as_str()).or_default() += 1;
    }
    for (id, count) in seen.into_iter().filter(|(_, count)| *count > 1) {
        problems.add(file, format!("quantity id {id:?} is used {count} times; ids must be unique"));
    }
}

fn fits(file: &str, map: &RegisterMap, quantity: &Quantity, problems: &Problems) {
    let place = || format!("{file}: quantity {:?}", quantity.id);
    let limit = map.block_max_for(quantity.function);
    let parts = std::iter::once(("the value", quantity.function, quantity.address, quantity.words()))
        .chain(quantity.status.iter().map(|s| ("its status", s.function, s.address, s.value_type.words())))
        .chain(quantity.age.iter().map(|a| ("its age", a.function, a.address, a.value_type.words())));
    for (what, function, address, words) in parts {
        if words > limit {
            problems.add(place(), format!("{what} takes {words} registers but block_max is {limit}"));
        }
        if u32::from(address) + u32::from(words) > 65_536 {
            problems.add(place(), format!("{what} in the {} table reaches beyond address 65535", function.name()));
        }
    }
}

fn groups(file: &str, map: &RegisterMap, problems: &Problems) {
    for group in &map.groups {
        let members: Vec<&Quantity> = group.iter().filter_map(|index| map.quantities.get(*index)).collect();
        let Some(first) = members.first() else { continue };
        let place = || format!("{file}: group of {:?}", first.id);
        if members.iter().any(|member| member.function != first.function) {
            problems.add(place(), "its quantities stand in different tables and cannot be read together");
            continue;
        }
        let low = members.iter().map(|m| u32::from(m.address)).min().unwrap_or(0);
        let high = members.iter().map(|m| u32::from(m.address) + u32::from(m.words())).max().unwrap_or(0);
        let limit = u32::from(map.block_max_for(first.function));
        if high - low > limit {
            let table = function_words(first.function);
            problems.add(place(), format!("spans {} {table} but block_max is {limit}", high - low));
        }
    }
}

fn function_words(function: Function) -> &'static str {
    if function.is_bits() { "bits" } else { "registers" }
}
