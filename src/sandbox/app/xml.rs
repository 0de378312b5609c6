//! As much XML as S3's answers need.

use quick_xml::{Reader, escape::resolve_predefined_entity, events::Event};

use crate::body::BoxError;

/// S3's answers have four levels.
const MAX_DEPTH: usize = 16;

/// Every element without children, in order: its path from the root, such as `ListBucketResult/Contents/Key`, and its text.
pub(super) fn leaves(document: &[u8]) -> Result<Vec<(String, String)>, BoxError> {
    let mut reader = Reader::from_reader(document);
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut leaves = Vec::new();
    // Whether the element that ends next has had no children.
    let mut leaf = false;
    loop {
        match reader.read_event()? {
            Event::Start(element) => {
                if path.len() == MAX_DEPTH {
                    return Err("elements are nested too deeply".into());
                }
                path.push(String::from_utf8_lossy(element.local_name().as_ref()).into_owned());
                text.clear();
                leaf = true;
            }
            Event::Text(piece) => text.push_str(&piece.decode()?),
            Event::CData(piece) => text.push_str(&piece.decode()?),
            Event::GeneralRef(reference) => match reference.resolve_char_ref()? {
                Some(character) => text.push(character),
                None => text.push_str(resolve_predefined_entity(&reference.decode()?).ok_or("an unknown entity")?),
            },
            Event::End(_) => {
                if leaf {
                    leaves.push((path.join("/"), std::mem::take(&mut text)));
                }
                path.pop();
                leaf = false;
            }
            Event::Eof if path.is_empty() => return Ok(leaves),
            Event::Eof => return Err("the document ends too early".into()),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::DocType(_) | Event::PI(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_have_their_path_and_their_text() {
        let document = b"<?xml version=\"1.0\"?><L xmlns=\"x\"><Name>a</Name>\n <Contents><Key>b&amp;&#x63;</Key><Size/></Contents></L>";
        let owned = |(path, text): (&str, &str)| (path.to_owned(), text.to_owned());
        assert_eq!(leaves(document).unwrap(), [("L/Name", "a"), ("L/Contents/Key", "b&c")].map(owned));
    }

    #[test]
    fn broken_documents_are_errors() {
        assert!(leaves(b"<a><b></a>").is_err());
        assert!(leaves(b"<a>").is_err());
        assert!(leaves(b"<a>&secret;</a>").is_err());
        assert!(leaves("<a>".repeat(100).as_bytes()).is_err());
    }
}
