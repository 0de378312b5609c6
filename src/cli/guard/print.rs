//! The report, as YAML whose comments say the rest.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    propose::{Rule, Section},
    read::{Counts, Log},
    report::Known,
};

/// Longest comment out of a log.
const COMMENT: usize = 2_000;

pub(super) fn print(log: &Log, sections: &BTreeMap<String, Section>, known: &Known) -> String {
    let mut text = String::new();
    let mut comment = |line: &str| comment(&mut text, "", line);
    comment(&format!(
        "{} lines of the access log; {} of another kind, {} malformed, which were left out",
        log.lines, log.others, log.malformed
    ));
    if log.denied > 0 {
        comment(&format!("{} requests were refused by the guard: what they were about is in the log only in the mode audit", log.denied));
    }
    if log.refused_by_aws > 0 {
        comment(&format!("{} requests were refused by AWS itself, and no rule is proposed for them", log.refused_by_aws));
    }
    if log.left_out > 0 {
        comment(&format!("{} things did not fit into the lines of requests that named many", log.left_out));
    }
    comment("");
    comment("Would have been denied: rule, service, operation, tenant, requests");
    if log.would_deny.is_empty() {
        comment("nothing");
    }
    for (row, count) in &log.would_deny {
        comment(&format!("{}\t{}\t{}\t{}\t{count}", row.rule, row.service, row.operation, row.tenant));
    }
    comment("");
    for ((service, operation, why), counts) in &log.unread {
        comment(&format!("no rule is proposed for {service} {operation}: {why}: {}", listed(counts)));
    }
    for (service, _) in known.unruled.iter().filter(|(_, section)| !sections.contains_key(section)) {
        comment(&format!(
            "egress.services.{service} has no rules, and nothing was asked of it: give it rules, or unguarded: true, before you enforce"
        ));
    }
    let _ = writeln!(text, "guard:\n  mode: audit    # enforce, once an audit with these rules finds nothing");
    for (name, section) in sections {
        rules(&mut text, name, section);
    }
    text
}

fn rules(text: &mut String, name: &str, section: &Section) {
    let is_there = section.rules.iter().any(|rule| rule.is_safe);
    if is_there {
        let _ = writeln!(text, "  {name}:");
    } else {
        comment(text, "  ", &format!("{name}:"));
    }
    for Rule { text: rule, is_safe, notes } in &section.rules {
        notes.iter().for_each(|note| comment(text, "    ", note));
        let _ = if *is_safe { writeln!(text, "    - {rule}") } else { writeln!(text, "    # - {}", plain(rule)) };
    }
    for loose in &section.loose {
        comment(text, "    ", &format!("no rule is proposed for {loose}"));
    }
}

fn listed(counts: &Counts) -> String {
    counts.iter().map(|(tenant, count)| format!("{tenant} {count}")).collect::<Vec<_>>().join(", ")
}

fn comment(text: &mut String, indent: &str, line: &str) {
    let _ = writeln!(text, "{}", format!("{indent}# {}", plain(line)).trim_end());
}

/// What a log has, so that it cannot end the comment that it stands in.
fn plain(line: &str) -> String {
    let mut short: String = line
        .chars()
        .map(|c| if c.is_control() && c != '\t' || matches!(c, '\u{2028}' | '\u{2029}') { '?' } else { c })
        .take(COMMENT)
        .collect();
    if line.chars().count() > COMMENT {
        short.push_str("...");
    }
    short
}
