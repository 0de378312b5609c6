//! How servers read a path, each by its own rules: what [`SafePath`](super::SafePath) is held against.
//!
//! Written from the servers' documentation and sources, not from ours. Each yields the segments that a route is chosen by, or
//! nothing where the server refuses the request. A final empty segment is left away.

/// One server's reading.
pub(in super::super) type Oracle = fn(&str) -> Option<Vec<String>>;

/// All of them, with names for messages.
pub(in super::super) const ORACLES: &[(&str, Oracle)] = &[
    ("express", express),
    ("tomcat", tomcat),
    ("tomcat, lenient", lenient_tomcat),
    ("wsgi", wsgi),
    ("nginx", nginx),
    ("go", go),
    ("rails", rails),
    ("kestrel", kestrel),
    ("iis", iis),
    ("browser", browser),
    ("decodes twice", decodes_twice),
];

/// Node.js with Express: routes by the raw text; parameters are decoded afterwards, each by itself.
fn express(path: &str) -> Option<Vec<String>> {
    let raw = path.split('?').next()?;
    split(raw).iter().map(|segment| utf8(decode(segment, Bad::Refuse)?)).collect()
}

/// Tomcat: parameters come off, then escapes are decoded (an encoded slash or backslash is refused), then dots and doubled slashes are resolved.
fn tomcat(path: &str) -> Option<Vec<String>> {
    let bare = without_parameters(path);
    let lower = bare.to_ascii_lowercase();
    if lower.contains("%2f") || lower.contains("%5c") || lower.contains("%00") || bare.contains('\\') {
        return None;
    }
    // What comes after a decoded semicolon is no parameter any more.
    resolve(&split_all(&utf8(decode(&bare, Bad::Refuse)?)?))
}

/// Tomcat with `encodedSolidusHandling=decode` and backslashes allowed.
fn lenient_tomcat(path: &str) -> Option<Vec<String>> {
    let decoded = utf8(decode(&without_parameters(path), Bad::Refuse)?)?.replace('\\', "/");
    if decoded.contains('\0') { None } else { resolve(&split_all(&decoded)) }
}

/// A WSGI server with Django: decoded first, split afterwards, nothing resolved.
fn wsgi(path: &str) -> Option<Vec<String>> {
    let decoded = String::from_utf8_lossy(&decode(path, Bad::Keep)?).into_owned();
    Some(split(&decoded))
}

/// nginx: decoded, slashes merged, dots resolved; NUL is refused.
fn nginx(path: &str) -> Option<Vec<String>> {
    let decoded = decode(path, Bad::Refuse)?;
    if decoded.contains(&0) { None } else { resolve(&split_all(&String::from_utf8_lossy(&decoded))) }
}

/// Go's `http.ServeMux`: by the decoded path, cleaned.
fn go(path: &str) -> Option<Vec<String>> {
    resolve(&split_all(&String::from_utf8_lossy(&decode(path, Bad::Refuse)?)))
}

/// Rack and Rails: raw, doubled slashes merged; parameters are decoded afterwards.
fn rails(path: &str) -> Option<Vec<String>> {
    let raw: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    raw.iter().map(|segment| utf8(decode(segment, Bad::Keep)?)).collect()
}

/// Kestrel: everything is decoded but the slash; dots are resolved before that as well.
fn kestrel(path: &str) -> Option<Vec<String>> {
    let before = resolve(&split_all(path))?.join("/");
    let kept = before.replace("%2f", "%252f").replace("%2F", "%252F");
    let decoded = utf8(decode(&kept, Bad::Keep)?)?;
    if decoded.contains('\0') { None } else { resolve(&split_all(&decoded)) }
}

/// IIS and NTFS: backslashes are slashes, final dots and spaces are not there, and `%uXXXX` is a character.
fn iis(path: &str) -> Option<Vec<String>> {
    let mut text = String::new();
    let mut rest = path;
    while let Some(at) = rest.find("%u") {
        text.push_str(&rest[..at]);
        let digits = rest.get(at + 2..at + 6)?;
        text.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        rest = &rest[at + 6..];
    }
    text.push_str(rest);
    let decoded = utf8(decode(&text, Bad::Refuse)?)?.replace('\\', "/");
    let segments = resolve(&split_all(&decoded))?;
    let trimmed = segments.iter().map(|segment| segment.trim_end_matches(['.', ' ']).to_owned());
    Some(trimmed.filter(|segment| !segment.is_empty()).collect())
}

/// A parser by the WHATWG's standard, as behind `new URL(request.url)`: tabs and line ends are not there, a backslash is a slash, escaped
/// dots are dots; then each segment is decoded.
fn browser(path: &str) -> Option<Vec<String>> {
    let raw: String = path.chars().filter(|c| !matches!(c, '\t' | '\r' | '\n')).collect();
    let raw = raw.split('#').next()?.replace('\\', "/");
    let dots = |segment: &String| segment.to_ascii_lowercase().replace("%2e", ".");
    let mut out: Vec<String> = Vec::new();
    for segment in split_all(&raw) {
        match dots(&segment).as_str() {
            "." => {}
            ".." => drop(out.pop()),
            _ => out.push(segment),
        }
    }
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out.iter().map(|segment| Some(String::from_utf8_lossy(&decode(segment, Bad::Keep)?).into_owned())).collect()
}

/// An application that decodes what its server has decoded already, folds what looks alike, and trims.
fn decodes_twice(path: &str) -> Option<Vec<String>> {
    let once = String::from_utf8_lossy(&decode(path, Bad::Keep)?).into_owned();
    let twice = String::from_utf8_lossy(&decode(&once, Bad::Keep)?).into_owned();
    let folded: String = twice.chars().filter_map(fold).collect();
    Some(split(&folded).iter().map(|segment| segment.trim().to_owned()).collect())
}

/// A few of the foldings of NFKC and of case.
fn fold(character: char) -> Option<char> {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0),
        '\u{17f}' => Some('s'),
        '\u{212a}' => Some('K'),
        '\u{2024}' => Some('.'),
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}' => None,
        other => Some(other),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Bad {
    /// An escape that is none is an error.
    Refuse,
    /// It stays as it is.
    Keep,
}

fn decode(text: &str, bad: Bad) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        match (bytes[at], pair) {
            (b'%', Some(pair)) => {
                out.push(u8::from_str_radix(pair, 16).ok()?);
                at += 3;
            }
            (b'%', None) if bad == Bad::Refuse => return None,
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Some(out)
}

fn utf8(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

fn without_parameters(path: &str) -> String {
    path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
}

/// Between slashes, the first of which is not one of them.
fn split_all(path: &str) -> Vec<String> {
    path.strip_prefix('/').unwrap_or(path).split('/').map(str::to_owned).collect()
}

fn split(path: &str) -> Vec<String> {
    let mut segments = split_all(path);
    if segments.last().is_some_and(String::is_empty) {
        segments.pop();
    }
    segments
}

/// Without empty segments, `.` and `..`; nothing where that leads above the root.
fn resolve(segments: &[String]) -> Option<Vec<String>> {
    let mut out = Vec::new();
    for segment in segments {
        match segment.as_str() {
            "" | "." => {}
            ".." => drop(out.pop()?),
            _ => out.push(segment.clone()),
        }
    }
    Some(out)
}
