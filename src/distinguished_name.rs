//! Names of certificate holders as text, in one spelling.
//!
//! RFC 4514 allows many spellings of one name. Ours is the one that OpenSSL prints with `-nameopt RFC2253`: the most specific part first, nothing
//! around separators, and every octet outside of printable ASCII as `\XX`. So names can be compared byte for byte, logged, and put into a header.

use std::fmt::Write;

use x509_parser::{
    asn1_rs::{Tag, ToDer},
    der_parser::oid,
    oid_registry::Oid,
    x509::{AttributeTypeAndValue, X509Name},
};

/// Types with a name of their own; any other is written as its number, with its value in hex (RFC 4514, section 2.4).
fn short_name(oid: &Oid<'_>) -> Option<&'static str> {
    let names = [
        (oid!(2.5.4.3), "CN"),
        (oid!(2.5.4.4), "SN"),
        (oid!(2.5.4.5), "serialNumber"),
        (oid!(2.5.4.6), "C"),
        (oid!(2.5.4.7), "L"),
        (oid!(2.5.4.8), "ST"),
        (oid!(2.5.4.9), "street"),
        (oid!(2.5.4.10), "O"),
        (oid!(2.5.4.11), "OU"),
        (oid!(2.5.4.12), "title"),
        (oid!(2.5.4.42), "GN"),
        (oid!(0.9.2342.19200300.100.1.1), "UID"),
        (oid!(0.9.2342.19200300.100.1.25), "DC"),
        (oid!(1.2.840.113549.1.9.1), "emailAddress"),
    ];
    names.into_iter().find_map(|(known, name)| (known == *oid).then_some(name))
}

/// The name of a certificate's holder. `None` where a part of it cannot be written, which no issuer in its senses makes.
pub(crate) fn text(name: &X509Name<'_>) -> Option<String> {
    let mut text = String::new();
    let sets: Vec<_> = name.iter().collect();
    for (number, set) in sets.into_iter().rev().enumerate() {
        if number > 0 {
            text.push(',');
        }
        for (number, attribute) in set.iter().enumerate() {
            if number > 0 {
                text.push('+');
            }
            write(&mut text, attribute)?;
        }
    }
    Some(text)
}

fn write(text: &mut String, attribute: &AttributeTypeAndValue<'_>) -> Option<()> {
    let value = attribute.attr_value();
    let is_text = matches!(value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString);
    match short_name(attribute.attr_type()) {
        Some(name) if is_text => {
            text.push_str(name);
            text.push('=');
            escape(text, std::str::from_utf8(value.data).ok()?);
        }
        name => {
            text.push_str(&name.map_or_else(|| attribute.attr_type().to_id_string(), str::to_owned));
            text.push_str("=#");
            for byte in value.to_der_vec().ok()? {
                let _ = write!(text, "{byte:02X}");
            }
        }
    }
    Some(())
}

/// RFC 4514, section 2.4.
fn escape(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (index, byte) in value.bytes().enumerate() {
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b'#' if index == 0 => text.push_str("\\#"),
            b' ' if index == 0 || index == last => text.push_str("\\ "),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\{byte:02X}");
            }
        }
    }
}

/// A name that somebody wrote, in the one spelling; `None` where it has another form. Octets outside of ASCII may stand as they are.
pub(crate) fn parse(text: &str) -> Option<String> {
    let mut spelled = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (kind, tail) = rest.split_once('=')?;
        let is_word = kind.starts_with(|c: char| c.is_ascii_alphabetic()) && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let is_number = kind.contains('.') && kind.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()));
        if !is_word && !is_number {
            return None;
        }
        let end = value_end(tail)?;
        spelled.push_str(kind);
        spelled.push('=');
        for byte in tail[..end].bytes() {
            match byte {
                b' '..=b'~' => spelled.push(char::from(byte)),
                0x80.. => drop(write!(spelled, "\\{byte:02X}")),
                _ => return None,
            }
        }
        match tail.as_bytes().get(end) {
            None => return Some(spelled),
            Some(separator) => spelled.push(char::from(*separator)),
        }
        rest = &tail[end + 1..];
    }
}

/// Where a value ends: at the first separator that is not escaped. A value is not empty and has no spaces around it.
fn value_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut index = 0;
    let mut ends_with_space = false;
    while let Some(byte) = bytes.get(index) {
        match byte {
            b'\\' => {
                let pair = bytes.get(index + 1)?;
                ends_with_space = false;
                index += if pair.is_ascii_hexdigit() { bytes.get(index + 2).filter(|b| b.is_ascii_hexdigit()).map(|_| 3)? } else { 2 };
                continue;
            }
            b',' | b'+' => break,
            b'"' | b';' | b'<' | b'>' => return None,
            b' ' if index == 0 => return None,
            byte => ends_with_space = *byte == b' ',
        }
        index += 1;
    }
    (index > 0 && !ends_with_space).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_name_has_one_spelling() {
        for good in ["CN=a", "CN=a b,OU=x+UID=7,DC=example", r"CN=a\, b\ ,O=c", r"CN=\C3\BC", "1.2.3=#0401FF", "CN=#x"] {
            assert_eq!(parse(good).as_deref(), Some(good));
        }
        assert_eq!(parse("CN=M\u{fc}ller,O=x").as_deref(), Some(r"CN=M\C3\BCller,O=x"));
        for bad in [
            "",
            "a",
            "CN=",
            "CN=a, O=b",
            "CN = a",
            "CN=a,",
            "CN=a ,O=b",
            "CN= a",
            "CN=a;O=b",
            "CN=\"a\"",
            "/CN=a",
            "CN=a\\",
            "CN=a\\4",
            "CN=a\n",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[cfg(feature = "sandbox")]
    #[test]
    fn a_certificate_s_name_is_written_as_openssl_does() {
        use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

        let named = |parts: &[(DnType, &str)]| {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            for (kind, value) in parts {
                params.distinguished_name.push(kind.clone(), *value);
            }
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
            text(parsed.subject()).unwrap()
        };
        assert_eq!(named(&[]), "");
        assert_eq!(
            named(&[(DnType::CountryName, "NL"), (DnType::OrganizationName, "Ex, Inc."), (DnType::CommonName, "a")]),
            r"CN=a,O=Ex\, Inc.,C=NL"
        );
        assert_eq!(named(&[(DnType::CommonName, " #\"+<>;\\ ")]), r##"CN=\ #\"\+\<\>\;\\\ "##);
        assert_eq!(named(&[(DnType::CommonName, "#a")]), r"CN=\#a");
        assert_eq!(named(&[(DnType::CommonName, "a\r\nx: y\0\u{202e}\u{7f}")]), r"CN=a\0D\0Ax: y\00\E2\80\AE\7F");
        assert_eq!(named(&[(DnType::CustomDnType(vec![1, 2, 3]), "a")]), "1.2.3=#0C0161");
        for text in [r"CN=a,O=Ex\, Inc.,C=NL", r"CN=a\0D\0Ax: y\00\E2\80\AE\7F", "1.2.3=#0C0161"] {
            assert_eq!(parse(text).as_deref(), Some(text), "what is printed can be configured");
        }
    }
}
