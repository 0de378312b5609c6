use super::*;

const BODY: Shape = Shape::Record(&[
    ("TableName", Shape::Text),
    ("Key", Shape::Map(&Shape::Attribute)),
    ("Keys", Shape::List(&Shape::Map(&Shape::Attribute))),
    ("Limit", Shape::Skip),
]);
static SHAPE: Shape = BODY;

fn reads(text: &str) -> bool {
    read(text.as_bytes(), &SHAPE).is_some()
}

#[test]
fn what_is_wanted_is_kept() {
    let text = r#"{"TableName":"orders","Key":{"pk":{"S":"a\u0063me"},"sk":{"N":"1"},"b":{"B":"AA=="},"m":{"M":{"S":{"S":"x"}}}},"Limit":{"a":[1,-2,1.5,true,null,"x"]}}"#;
    let node = read(text.as_bytes(), &SHAPE).unwrap();
    let key = node.map("Key").unwrap();
    assert_eq!((node.text("TableName"), key.len()), (Some("orders"), 4));
    assert_eq!(key.attribute("pk"), Some(&Attribute::Text("acme".into())));
    assert_eq!(key.attribute("sk"), Some(&Attribute::Number("1".into())));
    assert_eq!(key.attribute("b"), Some(&Attribute::Binary("AA==".into())));
    assert_eq!(key.attribute("m"), Some(&Attribute::Other));
    assert!(key.attribute("PK").is_none() && node.member("Limit").is_none() && node.member("Keys").is_none());
    assert_eq!(node.members().map(|(name, _)| name).collect::<Vec<_>>(), ["TableName", "Key"]);
}

#[test]
fn null_is_not_there_where_a_member_is_and_nothing_where_a_value_is() {
    assert!(read(br#"{"TableName":null,"Key":null,"Limit":null}"#, &SHAPE).unwrap().members().next().is_none());
    for text in
        [r#"{"Key":{"pk":null}}"#, r#"{"Key":{"pk":{"S":null}}}"#, r#"{"Keys":[null]}"#, "null", r#"{"TableName":null,"TableName":"x"}"#]
    {
        assert!(!reads(text), "{text}");
    }
}

#[test]
fn what_two_readers_could_read_differently_is_not_read() {
    for text in [
        "",
        "[]",
        "\"x\"",
        "{} {}",
        "{}x",
        "\u{feff}{}",
        r#"["orders"]"#,
        r#"{"tablename":"x"}"#,
        r#"{"TableName":"x","TABLENAME":"y"}"#,
        r#"{"TableName":"x","TableName":"y"}"#,
        r#"{"TableName":"x","Table\u004eame":"y"}"#,
        r#"{"TableName":["x"]}"#,
        r#"{"TableName":1}"#,
        r#"{"TableName":{"S":"x"}}"#,
        r#"{"New":1}"#,
        r#"{"Key":[]}"#,
        r#"{"Key":[["pk",{"S":"x"}]]}"#,
        r#"{"Key":{"pk":"x"}}"#,
        r#"{"Key":{"pk":{}}}"#,
        r#"{"Key":{"pk":["x"]}}"#,
        r#"{"Key":{"pk":{"S":"x","N":"1"}}}"#,
        r#"{"Key":{"pk":{"S":"x","S":"y"}}}"#,
        r#"{"Key":{"pk":{"S":"x","N":null}}}"#,
        r#"{"Key":{"pk":{"s":"x"}}}"#,
        r#"{"Key":{"pk":{"S":1}}}"#,
        r#"{"Key":{"pk":{"N":1}}}"#,
        r#"{"Key":{"pk":{"X":"x"}}}"#,
        r#"{"Key":{"pk":{"S":"x"},"pk":{"S":"y"}}}"#,
        r#"{"Key":{"pk":{"S":"x"},"p\u006b":{"S":"y"}}}"#,
        r#"{"Key":{"pk":{"S":"\ud800"}}}"#,
        r#"{"Key":{"m":{"M":{"a":{"S":"x"},"a":{"S":"y"}}}}}"#,
        r#"{"Limit":{"a":{"b":1,"b":2}}}"#,
        r#"{"Limit":1e999}"#,
        r#"{'Limit':1}"#,
        r#"{"Limit":1,}"#,
    ] {
        assert!(!reads(text), "{text}");
    }
    assert!(read(b"{\"TableName\":\"\xff\"}", &SHAPE).is_none());
    assert!(read(b"{\"Limit\":\"\xff\"}", &SHAPE).is_none());
}

#[test]
fn depth_is_bounded_and_enough() {
    let nested = |levels: usize| format!(r#"{{"Key":{{"m":{}{{"S":"x"}}{}}}}}"#, r#"{"M":{"a":"#.repeat(levels), "}}".repeat(levels));
    assert!(reads(&nested(32)), "as deep as items are");
    assert!(!reads(&nested(64)) && !reads(&format!(r#"{{"Limit":{}"#, "[".repeat(100_000))));
}

/// A body of the largest size that is read. What is kept of it is counted: nodes are of one size.
#[test]
fn what_is_kept_is_bounded_whatever_the_bytes() {
    const SIZE: usize = 16 << 20;
    let many = |small: &str| vec![small; SIZE / (small.len() + 1)].join(",");
    assert!(!reads(&format!("{{\"Keys\":[{}]}}", many("{}"))));
    let names = |count: usize| (0..count).map(|number| format!("\"{number}\":0")).collect::<Vec<_>>().join(",");
    assert!(reads(&format!("{{\"Limit\":{{{}}}}}", names(MAX_VALUES))), "names of one object");
    assert!(!reads(&format!("{{\"Limit\":{{{}}}}}", names(MAX_VALUES + 1))));
    let key = format!("{{\"Key\":{{\"pk\":{{\"S\":\"a\"}},\"l\":{{\"L\":[{}]}}}}}}", many("{\"N\":\"1\"}"));
    assert!(reads(&key), "an item with a long list is one that DynamoDB takes");
}
