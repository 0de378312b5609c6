use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::strict_json::MAX_VALUES;

fn read(hex: &str) -> Option<Value> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect();
    object(&bytes).map(Value::Object)
}

/// RFC 8949, appendix A, each value as the member `a`.
#[test]
fn what_sdks_write_is_read() {
    for (hex, value) in [
        ("00", json!(0)),
        ("17", json!(23)),
        ("1818", json!(24)),
        ("1903e8", json!(1000)),
        ("1a000f4240", json!(1_000_000)),
        ("1bffffffffffffffff", json!(u64::MAX)),
        ("20", json!(-1)),
        ("3903e7", json!(-1000)),
        ("3b7fffffffffffffff", json!(i64::MIN)),
        ("f93e00", json!(1.5)),
        ("f97bff", json!(65504.0)),
        ("f90001", json!(5.960464477539063e-8)),
        ("f9c400", json!(-4.0)),
        ("fa47c35000", json!(100_000.0)),
        ("fb3ff199999999999a", json!(1.1)),
        ("f4", json!(false)),
        ("f5", json!(true)),
        ("f6", json!(null)),
        ("f7", json!(null)),
        ("c11a514b67b0", json!(1_363_896_240)),
        ("c1fb41d452d9ec200000", json!(1_363_896_240.5)),
        ("60", json!("")),
        ("6449455446", json!("IETF")),
        ("62c3bc", json!("\u{fc}")),
        ("80", json!([])),
        ("83010203", json!([1, 2, 3])),
        ("9fff", json!([])),
        ("9f018202039f0405ffff", json!([1, [2, 3], [4, 5]])),
        ("a0", json!({})),
        ("bf6161016162 9f0203ffff", json!({"a": 1, "b": [2, 3]})),
    ] {
        assert_eq!(read(&format!("a16161{hex}")), Some(json!({"a": value})), "{hex}");
        assert_eq!(read(&format!("bf6161{hex}ff")), Some(json!({"a": value})), "{hex}");
    }
    assert_eq!(read("a0"), Some(json!({})));
}

#[test]
fn what_could_be_read_in_two_ways_is_not() {
    for hex in [
        "",
        "00",
        "80",
        "a1",
        "a16161",
        "a1616100 00",
        "a2616100 616101",
        "bf616100616101ff",
        "bf616100",
        "bf6161ff",
        "a16161ff",
        "a16161c1c100",
        "a1010 0",
        "a1416100",
        "a17f6161ff00",
        "a161617f6161ff",
        "a161615f4161ff",
        "a161614161",
        "a161611817",
        "a16161190017",
        "a161611a000003e8",
        "a161611b00000000000003e8",
        "a1780161 00",
        "a16161780161",
        "b80161 6100",
        "a161619801 00",
        "a16161c000",
        "a16161c16161",
        "a16161c2420100",
        "a16161d9d9f700",
        "a16161f97e00",
        "a16161f97c00",
        "a16161fb7ff0000000000000",
        "a16161f800",
        "a16161f8ff",
        "a16161e0",
        "a161611c",
        "a161613f",
        "a161613bffffffffffffffff",
        "a1616162c328",
        "a161619b7fffffffffffffff",
        "bb7fffffffffffffff",
        "a161617b7fffffffffffffff",
        "c1a0",
    ] {
        assert_eq!(read(hex), None, "{hex}");
    }
}

#[test]
fn depth_and_number_are_bounded() {
    let nested = |levels: usize| format!("a16161{}00", "81".repeat(levels));
    assert!(read(&nested(MAX_DEPTH - 1)).is_some() && read(&nested(MAX_DEPTH)).is_none() && read(&nested(100_000)).is_none());
    assert!(read(&format!("a16161{}00", "c1".repeat(100_000))).is_none(), "tags nest too");
    let list = |count: usize| [&[0xbf, 0x61, b'a', 0x9f], &vec![0xf6; count][..], &[0xff, 0xff]].concat();
    assert!(object(&list(MAX_VALUES - 2)).is_some() && object(&list(MAX_VALUES - 1)).is_none() && object(&list(16 << 20)).is_none());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), rest in prop::collection::vec(any::<u8>(), 0..32)) {
        let _ = (object(&bytes), object(&[&b"\xbf\x61a"[..], &rest].concat()));
    }
}
