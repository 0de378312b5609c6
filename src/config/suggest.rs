//! "Did you mean …?"

/// The candidate that `word` was most likely meant to be, if one is near: at most two slips, or a third of the word; or else the only one that
/// the word is a whole part of.
pub(crate) fn closest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    // Nobody mistypes a word this long, and the comparison takes time that grows with the square.
    if word.len() > 64 {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let word = plain(word);
    let candidates: Vec<_> = candidates.collect();
    let near = candidates
        .iter()
        .copied()
        .map(|candidate| (distance(&word, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= 2.min(candidate.len() / 2).max(candidate.len() / 3))
        .min()
        .map(|(_, candidate)| candidate);
    let mut around = candidates.into_iter().filter(|candidate| plain(candidate).split('_').any(|part| part == word));
    near.or_else(|| around.next().filter(|_| around.next().is_none()))
}

/// Insertions, deletions and replacements between two words (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_far_fetched() {
        let known = ["ingress", "egress", "admin", "header_timeout", "idle_timeout", "ca"];
        let find = |word| closest(word, known.into_iter());
        assert_eq!(find("ingres"), Some("ingress"));
        assert_eq!(find("Egress"), Some("egress"));
        assert_eq!(find("header-timeout"), Some("header_timeout"));
        assert_eq!(find("headertimeout"), Some("header_timeout"));
        assert_eq!(find("header"), Some("header_timeout"));
        // Two of them have it.
        assert_eq!(find("timeout"), None);
        assert_eq!(find("banana"), None);
        assert_eq!(find("xy"), None);
        assert_eq!(find(&"x".repeat(10_000)), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
