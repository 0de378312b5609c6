//! Which rules can never be reached.

use super::{
    Methods,
    pattern::{PathPattern, Segment},
};

/// The rules that no request gets to, each with an earlier one that takes its requests. Exact: a rule is listed if and only if
/// earlier ones fit everything that it fits.
///
/// That can be decided because only the last segment may be `**`. Among the paths of a rule is, for each length, one whose free
/// segments no rule has as a literal. What fits that one fits every path of the rule of that length, so a single earlier rule
/// has to. From the length at which all patterns have ended, nothing changes any more.
pub fn shadowed(rules: &[(Methods, &PathPattern)], ignore_case: bool) -> Vec<(usize, usize)> {
    let longest = rules.iter().map(|(_, pattern)| pattern.segments().len()).max().unwrap_or(0);
    let shadow = |(at, (methods, pattern)): (usize, &(Methods, &PathPattern))| {
        let least = pattern.segments().len();
        let most = if pattern.is_open() { longest + 1 } else { least };
        let mut first = None;
        for method in methods.each() {
            for length in least..=most {
                let takes =
                    |(earlier, other): &(Methods, &PathPattern)| earlier.meets(method) && takes_all(other, pattern, length, ignore_case);
                let by = rules.iter().take(at).position(takes)?;
                first.get_or_insert(by);
            }
        }
        first.map(|by| (at, by))
    };
    rules.iter().enumerate().filter_map(shadow).collect()
}

/// Whether `earlier` fits every path of `length` segments that `later` fits.
fn takes_all(earlier: &PathPattern, later: &PathPattern, length: usize, ignore_case: bool) -> bool {
    let wanted = earlier.segments();
    if wanted.len() > length || (wanted.len() < length && !earlier.is_open()) {
        return false;
    }
    wanted.iter().enumerate().all(|(at, wanted)| match (wanted, later.segments().get(at)) {
        (Segment::Any(_), _) => true,
        (Segment::Literal(one), Some(Segment::Literal(other))) if ignore_case => one.eq_ignore_ascii_case(other),
        (Segment::Literal(one), Some(Segment::Literal(other))) => one == other,
        (Segment::Literal(_), Some(Segment::Any(_)) | None) => false,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(rules: &[(&str, &str)]) -> Vec<(usize, usize)> {
        let parsed: Vec<_> = rules
            .iter()
            .map(|(methods, path)| {
                let set = methods.split(' ').filter_map(Methods::of).fold(Methods::NONE, Methods::with);
                (if *methods == "*" { Methods::ALL } else { set }, PathPattern::parse(path).unwrap())
            })
            .collect();
        let borrowed: Vec<_> = parsed.iter().map(|(methods, pattern)| (*methods, pattern)).collect();
        shadowed(&borrowed, false)
    }

    #[test]
    fn a_rule_under_a_wider_one_is_found() {
        assert_eq!(run(&[("*", "/**"), ("GET", "/a")]), [(1, 0)]);
        assert_eq!(run(&[("GET", "/a"), ("GET", "/a")]), [(1, 0)]);
        assert_eq!(run(&[("GET", "/a/*"), ("GET", "/a/{b}")]), [(1, 0)]);
        assert_eq!(run(&[("GET", "/a/**"), ("HEAD", "/a/b/c")]), [(1, 0)], "GET brings HEAD");
        assert_eq!(run(&[("POST", "/a"), ("GET", "/a"), ("GET POST", "/a")]), [(2, 1)], "two rules together");
        assert_eq!(run(&[("GET", "/"), ("GET", "/*"), ("GET", "/*/*/**"), ("GET", "/**")]), [(3, 0)], "lengths together");
    }

    #[test]
    fn a_rule_of_which_something_is_left_is_not() {
        assert_eq!(run(&[("GET", "/a"), ("GET", "/a/**")]), []);
        assert_eq!(run(&[("GET", "/a/**"), ("*", "/a/**")]), []);
        assert_eq!(run(&[("GET", "/a/b"), ("GET", "/a/*"), ("GET", "/*/b"), ("GET", "/*/*")]), []);
        assert_eq!(run(&[("GET", "/"), ("GET", "/*"), ("GET", "/*/*/*/**"), ("GET", "/**")]), []);
        assert_eq!(run(&[("GET", "/a/**"), ("GET", "/*/**")]), []);
    }

    /// Every path over a small alphabet, one letter of which is in no pattern.
    fn paths(longest: usize) -> Vec<Vec<&'static str>> {
        let mut all: Vec<Vec<&str>> = vec![Vec::new()];
        let mut last = all.clone();
        for _ in 0..longest {
            last = last.iter().flat_map(|path| ["a", "b", "z"].map(|next| [path.as_slice(), &[next]].concat())).collect();
            all.extend(last.clone());
        }
        all
    }

    proptest! {
        #[test]
        fn the_analysis_agrees_with_trying_every_path(written in proptest::collection::vec("(/(a|b|[*])){0,3}(/[*]{2})?", 1..6)) {
            let patterns: Vec<_> = written.iter().map(|text| PathPattern::parse(if text.is_empty() { "/" } else { text }).unwrap()).collect();
            let rules: Vec<_> = patterns.iter().map(|pattern| (Methods::ALL, pattern)).collect();
            let fits = |pattern: &PathPattern, path: &[&str]| {
                let text = format!("/{}", path.join("/"));
                pattern.fits(&super::super::SafePath::read(&text, Default::default()).unwrap(), false)
            };
            let found: Vec<usize> = shadowed(&rules, false).into_iter().map(|(at, _)| at).collect();
            let tried: Vec<usize> = (0..patterns.len())
                .filter(|at| paths(5).iter().filter(|path| fits(&patterns[*at], path)).all(|path| patterns[..*at].iter().any(|earlier| fits(earlier, path))))
                .collect();
            prop_assert_eq!(found, tried);
        }
    }
}
