//! An honest log verifies, and one that was touched does not.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::*;

/// Drawn once: drawing costs more than a log.
static KEY: LazyLock<Arc<AuditKey>> = LazyLock::new(key);

fn run() -> impl Strategy<Value = Run> {
    (
        prop::collection::vec(".{0,12}|\\PC{0,6}|[\n\r\u{0}\u{2028}\"\\\\]{1,4}", 1..12),
        1..5_usize,
        prop::collection::vec(0..12_usize, 0..3),
        prop::option::of(1..400_usize),
    )
        .prop_map(|(texts, signed_every, rotated, crash)| Run { texts, signed_every, rotated, crash })
}

/// A log of one to three chains, of which the last has come to an orderly end.
fn log() -> impl Strategy<Value = Log> {
    prop::collection::vec(run(), 1..4).prop_map(|mut runs| {
        runs.last_mut().unwrap().crash = None;
        Log::of(&runs, &KEY)
    })
}

/// What was made of a log has to be found, with the exported head at hand; or told, where rotation does the same: the first records are gone.
fn found(before: &Log, after: &Log) -> Result<(), TestCaseError> {
    let head = before.head();
    // Where one file ends and the next begins says nothing.
    let bytes = |log: &Log| log.files.iter().flatten().flatten().copied().collect::<Vec<u8>>();
    prop_assume!(bytes(before) != bytes(after));
    let report = after.verify(&KEY, Some(&head));
    prop_assert!(!report.is_good() || report.notes != before.verify(&KEY, Some(&head)).notes, "passed: {report}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_honest_log_verifies(log in log(), order in any::<prop::sample::Index>()) {
        let report = log.verify(&KEY, Some(&log.head()));
        prop_assert!(report.is_good(), "{:?}", said(&report));
        let mut files: Vec<_> = log.files.iter().map(|file| file.concat()).collect();
        let at = order.index(files.len());
        files.rotate_left(at);
        let report = verify(files.clone(), terms(&KEY), Some(&log.head()));
        prop_assert!(report.is_good(), "the order of files matters: {:?}", said(&report));
        let merged = Terms { merged: true, ..terms(&KEY) };
        prop_assert!(verify(files, merged, Some(&log.head())).is_good());
    }

    #[test]
    fn a_crash_leaves_a_log_that_verifies(runs in prop::collection::vec(run(), 1..4), bytes in 1..400_usize) {
        let mut runs = runs;
        runs.last_mut().unwrap().crash = Some(bytes);
        let log = Log::of(&runs, &KEY);
        let report = log.verify(&KEY, Some(&log.head()));
        prop_assert!(report.is_good(), "{:?}", said(&report));
    }

    #[test]
    fn a_byte_that_is_changed_is_found(log in log(), line in any::<usize>(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut changed = log.clone();
        let (file, line) = log.place(line);
        let line = &mut changed.files[file][line];
        let at = at.index(line.len());
        line[at] = to;
        found(&log, &changed)?;
    }

    #[test]
    fn a_line_that_is_removed_moved_or_doubled_is_found(log in log(), line in any::<usize>(), to in any::<usize>(), what in 0..3) {
        let mut changed = log.clone();
        let (file, at) = log.place(line);
        let line = changed.files[file][at].clone();
        if what < 2 {
            changed.files[file].remove(at);
        }
        if what > 0 && changed.lines() > 0 {
            let (file, at) = changed.place(to);
            changed.files[file].insert(at, line);
        }
        found(&log, &changed)?;
    }

    #[test]
    fn an_end_that_is_cut_off_is_found(log in log(), at in any::<prop::sample::Index>()) {
        let mut bytes: Vec<Vec<u8>> = log.files.iter().map(|file| file.concat()).collect();
        let last = bytes.iter().rposition(|file| !file.is_empty()).unwrap();
        let at = at.index(bytes[last].len());
        bytes[last].truncate(at);
        let report = verify(bytes, terms(&KEY), Some(&log.head()));
        prop_assert!(!report.is_good(), "passed: {report}");
    }

    #[test]
    fn a_file_that_is_removed_is_found(log in log(), at in any::<prop::sample::Index>()) {
        prop_assume!(log.files.len() > 1);
        let mut changed = log.clone();
        let at = at.index(log.files.len());
        let gone = changed.files.remove(at);
        let report = changed.verify(&KEY, Some(&log.head()));
        // Rotation removes the first ones as well: that is told, and with `whole` it is wrong.
        let is_told = !report.is_good() || !report.notes.is_empty();
        prop_assert!(is_told || gone.is_empty(), "{report}");
        let whole = Terms { whole: true, ..terms(&KEY) };
        let report = verify(changed.files.iter().map(|file| file.concat()), whole, Some(&log.head()));
        prop_assert!(!report.is_good() || gone.is_empty(), "{report}");
    }

    /// Both are signed with one key.
    #[test]
    fn pieces_of_another_log_are_found(
        (log, other) in (log(), log()), from in any::<usize>(), length in 1..6_usize, to in any::<usize>(), cut in any::<bool>()
    ) {
        let name = |line: &Vec<u8>| String::from_utf8_lossy(line).replace("\"instance\":\"0", "\"instance\":\"f").into_bytes();
        // Other chains under other names would have other signatures, so theirs are kept, and those alone taken whose names differ.
        let pieces: Vec<Vec<u8>> = other.files.iter().flatten().cycle().skip(from % other.lines()).take(length).cloned().collect();
        for pieces in [pieces.clone(), pieces.iter().map(name).collect()] {
            let mut changed = log.clone();
            let (file, at) = log.place(to);
            if cut {
                changed.files[file].truncate(at);
                changed.files.truncate(file + 1);
            }
            let at = at.min(changed.files[file].len());
            changed.files[file].splice(at..at, pieces);
            found(&log, &changed)?;
        }
    }

    /// Whoever rewrites a record and all hashes behind it has no key for the checkpoints behind it.
    #[test]
    fn a_chain_that_is_made_anew_is_found(log in log(), line in any::<usize>()) {
        let mut changed = log.clone();
        let target = line % log.lines();
        let mut renamed: Vec<(String, String)> = Vec::new();
        for (number, line) in changed.files.iter_mut().flatten().enumerate() {
            let before = hash(line.trim_ascii_end());
            let mut text = String::from_utf8(line.clone()).unwrap();
            if number == target {
                text = text.replace("\"event\":\"allowed\"", "\"event\":\"refused\"");
            }
            for (old, new) in &renamed {
                text = text.replace(old, new);
            }
            *line = text.into_bytes();
            let now = hash(line.trim_ascii_end());
            if now != before {
                renamed.push((before, now));
            }
        }
        found(&log, &changed)?;
    }
}

#[test]
fn the_first_line_that_is_wrong_is_named() {
    let texts = |count: usize| (0..count).map(|n| n.to_string()).collect();
    let runs = [
        Run { texts: texts(6), signed_every: 100, rotated: vec![2], crash: Some(30) },
        Run { texts: texts(3), signed_every: 2, rotated: Vec::new(), crash: None },
    ];
    let log = Log::of(&runs, &KEY);
    let head = log.head();
    let first = |change: &dyn Fn(&mut Log)| {
        let mut changed = log.clone();
        change(&mut changed);
        said(&changed.verify(&KEY, Some(&head))).first().cloned().unwrap_or_default()
    };
    assert_eq!(first(&|_| {}), "");
    for (change, expected) in [
        (&(|log: &mut Log| drop(log.files[0].remove(3))) as &dyn Fn(&mut Log), "log.0:4: record 3 is missing behind record 2"),
        (&|log| drop(log.files[0].drain(2..4)), "log.0:3: records 2 to 3 are missing behind record 1"),
        (&|log| log.files[0][2][150] = b'x', "log.0:"),
        (&|log| log.files[0].swap(2, 3), "log.0:3: record 2 is missing behind record 1"),
        (&|log| log.files[0].truncate(4), "log.1:1: records 4 to 5 are missing behind record 3 (log.0:4)"),
        (&|log| log.files[1].truncate(2), "nothing is here of chain 00000000000000000000000000000001, of which head has record"),
        (&|log| drop(log.files[1].pop()), "log.1:10: chain 00000000000000000000000000000001 ends with record 5: head has record 6"),
        (&|log| log.files[1][3] = b"half\n".to_vec(), "log.1:4: is no record"),
    ] {
        let first = first(change);
        assert!(first.starts_with(expected), "{first}\nis not\n{expected}");
    }
}

/// Where the next process has begun behind it and has signed, nobody can have written the end of a chain since.
#[test]
fn an_end_that_was_not_signed_is_sealed_by_a_chain_that_is() {
    let run = |crash| Run { texts: vec!["a".to_owned(); 3], signed_every: 100, rotated: Vec::new(), crash };
    let whole = || Terms { whole: true, ..terms(&KEY) };
    let verified = |log: &Log| {
        let report = verify(log.files.iter().map(|file| file.concat()), whole(), None);
        (said(&report), report.notes.join("\n"))
    };
    // The last seals the one before it, which has signed nothing of its end, and that has named the first.
    let log = Log::of(&[run(Some(30)), run(Some(30)), run(None)], &KEY);
    let (problems, notes) = verified(&log);
    assert_eq!(problems, [""; 0]);
    for (of, by) in [(0, 1), (1, 2)] {
        assert!(
            notes.contains(&format!("records 2 to 4 of chain {of:032x} are not signed by it: chain {by:032x} has sealed them")),
            "{notes}"
        );
    }
    // Of the last its first record alone, which anybody could have written.
    let mut cut = log.clone();
    let begun = cut.files[0].iter().rposition(|line| String::from_utf8_lossy(line).contains("started")).unwrap();
    cut.files[0].truncate(begun + 1);
    let (problems, _) = verified(&cut);
    assert!(
        problems.iter().any(|problem| problem.contains(&format!("records 2 to 4 of chain {:032x} are not signed: anybody", 1))),
        "{problems:?}"
    );
    assert!(
        !problems.iter().any(|problem| problem.contains(&format!("of chain {:032x} are not signed", 0))),
        "that is sealed: {problems:?}"
    );
}

#[test]
fn a_key_that_was_not_given_proves_nothing() {
    let run = Run { texts: vec!["a".to_owned()], signed_every: 1, rotated: Vec::new(), crash: None };
    let log = Log::of(&[run], &KEY);
    let report = log.verify(&key(), None);
    assert!(said(&report)[0].contains("is signed with key"), "{:?}", said(&report));
    let nothing = verify([Vec::new()], terms(&KEY), None);
    assert_eq!(said(&nothing), ["there is no record"]);
    let unsigned: Vec<u8> =
        log.files[0].iter().filter(|line| !String::from_utf8_lossy(line).contains("checkpoint")).flatten().copied().collect();
    assert!(!verify([unsigned], terms(&KEY), None).is_good());
}

/// What several processes wrote to one collector, with lines of other kinds.
#[test]
fn merged_chains_are_told_apart() {
    let run = |texts: &[&str]| Run {
        texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        signed_every: 2,
        rotated: Vec::new(),
        crash: None,
    };
    let one = Log::of(&[run(&["a", "b", "c"])], &KEY);
    // Begun behind another process's, in a file that is not here.
    let other = Log::of(&[run(&[]), run(&[]), run(&["x", "y"])], &KEY);
    let other = Log { files: vec![other.files[0][6..].to_vec()] };
    let mut lines = Vec::new();
    for number in 0..8 {
        lines.extend(one.files[0].get(number).cloned());
        lines.push(b"{\"log\":\"access\"}\nstarting\n".to_vec());
        lines.extend(other.files[0].get(number).cloned());
    }
    let merged = Terms { merged: true, ..terms(&KEY) };
    let report = verify([lines.concat()], merged.clone(), None);
    assert!(report.is_good(), "{:?}", said(&report));
    assert_eq!(report.chains.len(), 2);
    assert!(!verify([lines.concat()], terms(&KEY), None).is_good(), "a file of one writer has no such lines");
    let gone = lines.iter().position(|line| String::from_utf8_lossy(line).contains("\"subject\":\"y\"")).unwrap();
    lines.remove(gone);
    assert!(!verify([lines.concat()], merged, None).is_good());
}
