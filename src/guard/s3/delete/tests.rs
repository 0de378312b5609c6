use http::HeaderValue;

use super::*;

fn keys_of(body: &str) -> Result<Vec<(String, bool)>, &'static str> {
    keys(Some(body.as_bytes()), &HeaderMap::new())
        .map(|objects| objects.into_iter().map(|object| (object.key, object.is_version)).collect())
}

fn one(key: &str) -> String {
    format!("<Delete><Object><Key>{key}</Key></Object></Delete>")
}

#[test]
fn every_key_is_found_as_s3_reads_it() {
    let boto = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>acme/a</Key></Object><Object><Key>acme/b</Key>\
                <VersionId>v1</VersionId></Object><Quiet>true</Quiet></Delete>";
    assert_eq!(keys_of(boto), Ok(vec![("acme/a".into(), false), ("acme/b".into(), true)]));
    for (text, key) in [
        ("acme/&lt;&gt;&amp;&quot;&apos;", "acme/<>&\"'"),
        ("acme/&#97;&#x62;", "acme/ab"),
        ("acme/&#13;", "acme/\r"),
        (" acme/a ", " acme/a "),
        ("acme/\u{e9}\u{1f600}", "acme/\u{e9}\u{1f600}"),
        ("acme/a\nb", "acme/a\nb"),
        ("acme/&amp;lt;", "acme/&lt;"),
    ] {
        assert_eq!(keys_of(&one(text)), Ok(vec![(key.to_owned(), false)]), "{text}");
    }
    let declared = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n{}\n", one("acme/a").replace("><", ">\r\n  <"));
    assert_eq!(keys_of(&declared), Ok(vec![("acme/a".into(), false)]));
    let alone = format!("<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>{}", one("acme/a"));
    assert_eq!(keys_of(&alone), Ok(vec![("acme/a".into(), false)]));
    let conditional =
        "<Delete><Object><ETag>e</ETag><Size>1</Size><LastModifiedTime>t</LastModifiedTime><Key>acme/a</Key><VersionId/></Object></Delete>";
    assert_eq!(keys_of(conditional), Ok(vec![("acme/a".into(), false)]));
}

#[test]
fn what_another_reader_could_read_differently_is_refused() {
    let key = one("acme/a");
    for body in [
        "",
        " ",
        "x",
        "<Delete>",
        "<Delete></Delete>",
        "<Delete><Object/></Delete>",
        "<Delete><Object><Key/></Object></Delete>",
        "<Delete><Object><VersionId>v</VersionId></Object></Delete>",
        "<Delete><Object><Key>acme/a</Key><Key>globex/a</Key></Object></Delete>",
        "<Delete><Object><Key>acme/a</Key><VersionId>1</VersionId><VersionId>2</VersionId></Object></Delete>",
        "<Delete><Key>acme/a</Key></Delete>",
        "<Delete><Object><Key>acme/<b>a</b></Key></Object></Delete>",
        "<Delete><Object><key>acme/a</key></Object></Delete>",
        "<delete><Object><Key>acme/a</Key></Object></delete>",
        "<s:Delete xmlns:s=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>acme/a</Key></Object></s:Delete>",
        "<Delete xmlns=\"http://other\"><Object><Key>acme/a</Key></Object></Delete>",
        "<Delete a=\"b\"><Object><Key>acme/a</Key></Object></Delete>",
        "<Delete><Object xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Key>acme/a</Key></Object></Delete>",
        "<Delete><Other/><Object><Key>acme/a</Key></Object></Delete>",
        "<Delete><Quiet/><Quiet/><Object><Key>acme/a</Key></Object></Delete>",
        "<!DOCTYPE Delete [<!ENTITY k \"globex/a\">]><Delete><Object><Key>&k;</Key></Object></Delete>",
        "<Delete><Object><Key>&k;</Key></Object></Delete>",
        "<Delete><Object><Key>&#0;</Key></Object></Delete>",
        "<Delete><Object><Key>&#xD800;</Key></Object></Delete>",
        "<Delete><Object><Key><![CDATA[acme/a]]></Key></Object></Delete>",
        "<Delete><!-- --><Object><Key>acme/a</Key></Object></Delete>",
        "<Delete><?p i?><Object><Key>acme/a</Key></Object></Delete>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><Delete><Object><Key>acme/a</Key></Object></Delete>",
        "<?xml version=\"1.0\" encoding=\"latin1\"?><Delete><Object><Key>acme/a</Key></Object></Delete>",
        "\u{feff}<Delete><Object><Key>acme/a</Key></Object></Delete>",
        "<Delete><Object><Key>acme/a\rb</Key></Object></Delete>",
        "<Delete><Object><Key>acme/&amp;\r</Key></Object></Delete>",
        "<Delete><Object><Key>\r</Key></Object></Delete>",
        "<Delete><Object><Key>acme/a</Key><VersionId>\r\n</VersionId></Object></Delete>",
        "<?xml version=\"1.1\"?><Delete><Object><Key>acme/a\u{85}</Key></Object></Delete>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\" encoding=\"UTF-16\"?><Delete><Object><Key>acme/a</Key></Object></Delete>",
        "<?xml version=\"1.0\" other=\"x\"?><Delete><Object><Key>acme/a</Key></Object></Delete>",
        "<Delete><Object><Key>acme/a</Key></Delete></Object>",
    ] {
        assert!(keys_of(body).is_err(), "{body}: {:?}", keys_of(body));
    }
    for body in
        [format!("{key}{key}"), format!("{key}x"), format!("x{key}"), format!(" <?xml version=\"1.0\"?>{key}"), key.replace("Key", "Key ")]
    {
        let read = keys_of(&body);
        assert!(read.is_err() || body.contains("Key >"), "{body}: {read:?}");
    }
    assert!(keys(Some(b"<Delete><Object><Key>acme/\xff</Key></Object></Delete>"), &HeaderMap::new()).is_err());
    assert!(keys(None, &HeaderMap::new()).is_err());
    let encoded = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))].into_iter().collect();
    assert!(keys(Some(key.as_bytes()), &encoded).is_err());
}

#[test]
fn what_is_said_to_be_in_another_alphabet_is_refused() {
    let body = one("acme/a");
    let declared = |said: &str| keys_of(&format!("<?xml version=\"1.0\" encoding=\"{said}\"?>{body}"));
    assert_eq!(declared("utf-16"), Err("the body is declared not to be UTF-8"));
    assert!(declared("utf-8").is_ok());
    for (said, right) in [
        ("application/xml", true),
        ("application/xml; charset=UTF-8", true),
        ("text/xml;charset=\"utf-8\"", true),
        ("application/xml; charset=utf-7", false),
        ("application/xml; charset=utf-16", false),
        ("application/xml; charset=utf-8; charset=utf-7", false),
    ] {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(said))].into_iter().collect();
        assert_eq!(keys(Some(body.as_bytes()), &headers).is_ok(), right, "{said}");
        let restored = restores_elsewhere(Some(b"<RestoreRequest><Days>1</Days></RestoreRequest>"), &headers);
        assert_eq!(restored, !right, "{said}");
    }
    let twice =
        [(header::CONTENT_TYPE, HeaderValue::from_static("text/xml")), (header::CONTENT_TYPE, HeaderValue::from_static("text/xml"))];
    assert!(keys(Some(body.as_bytes()), &twice.into_iter().collect()).is_err());
    assert!(restores_elsewhere(None, &HeaderMap::new()));
}

#[test]
fn a_thousand_objects_and_no_more() {
    let of = |count: usize| format!("<Delete>{}</Delete>", "<Object><Key>acme/a</Key></Object>".repeat(count));
    assert_eq!(keys_of(&of(MAX_OBJECTS)).map(|keys| keys.len()), Ok(MAX_OBJECTS));
    assert!(keys_of(&of(MAX_OBJECTS + 1)).is_err());
}

#[test]
fn a_restoration_stays_where_it_is() {
    for (body, elsewhere) in [
        ("<RestoreRequest><Days>1</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>", false),
        (
            "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>1</Days><Tier>Bulk</Tier><Description>d</Description></RestoreRequest>",
            false,
        ),
        ("<RestoreRequest><OutputLocation><S3><BucketName>b</BucketName></S3></OutputLocation></RestoreRequest>", true),
        ("<RestoreRequest><Type>SELECT</Type></RestoreRequest>", true),
        ("<RestoreRequest><SelectParameters/></RestoreRequest>", true),
        ("<!DOCTYPE a><RestoreRequest/>", true),
        ("", true),
    ] {
        assert_eq!(restores_elsewhere(Some(body.as_bytes()), &HeaderMap::new()), elsewhere, "{body}");
    }
}
