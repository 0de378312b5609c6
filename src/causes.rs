//! Errors and what caused them.

use std::{error::Error, io};

/// An error and its causes in one line, for logs.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1).map(ToString::to_string) {
        // Some errors print their cause themselves.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// The first `E` among an error and its causes.
pub(crate) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| {
        // What an `io::Error` wraps is not its source: it takes its place.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        error.downcast_ref::<E>().or_else(|| wrapped?.downcast_ref::<E>())
    })
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    // Matched by value: called on the reference to the reference, `source` would borrow from that.
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn causes_are_named_once_and_found_inside_io_errors() {
        let error = Outer(io::Error::other(Inner));
        assert_eq!(chain(&error), "outer: inner");
        assert!(find::<Inner>(&error).is_some() && find::<io::Error>(&error).is_some() && find::<Outer>(&error).is_some());
        assert!(find::<std::fmt::Error>(&error).is_none());
    }
}
