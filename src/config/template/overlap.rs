//! Whether two templates of ARNs could be the same ARN, for some values each.

use super::{Name, Segment};

/// ASCII characters.
type Set = u128;

/// One character out of a set, or with `repeats` one or more.
#[derive(Debug, Clone, Copy)]
struct Step {
    set: Set,
    repeats: bool,
}

/// Whether some rendering of `one` could be one of `other`. IAM does not tell names of roles apart by case, so neither does this.
pub(super) fn overlap(one: &[Segment], other: &[Segment]) -> bool {
    let (one, other) = (steps(one), steps(other));
    let width = other.len() + 1;
    let mut seen = vec![false; (one.len() + 1) * width];
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        if std::mem::replace(&mut seen[i * width + j], true) {
            continue;
        }
        match (one.get(i), other.get(j)) {
            (None, None) => return true,
            (Some(a), Some(b)) if a.set & b.set != 0 => {
                open.push((i + 1, j + 1));
                // A step that repeats may take the next character too.
                if a.repeats {
                    open.push((i, j + 1));
                }
                if b.repeats {
                    open.push((i + 1, j));
                }
            }
            (Some(_) | None, Some(_) | None) => {}
        }
    }
    false
}

fn steps(segments: &[Segment]) -> Vec<Step> {
    let is_whole = segments.len() == 1;
    segments
        .iter()
        .flat_map(|segment| match segment {
            Segment::Literal(literal) => literal.bytes().map(|byte| Step { set: one_of(|b| b == byte), repeats: false }).collect(),
            Segment::Placeholder(Name::TenantAccount) => vec![Step { set: one_of(|b| b.is_ascii_digit()), repeats: false }; 12],
            Segment::Placeholder(name) => vec![Step { set: values(name, is_whole), repeats: true }],
        })
        .collect()
}

/// What values of `name` consist of, where they are taken into an ARN.
fn values(name: &Name, is_whole: bool) -> Set {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    match name {
        Name::TenantId => one_of(crate::tenant::TenantId::is_id_byte),
        Name::TenantRegion => one_of(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
        name if name.is_from_token() && !is_whole => one_of(plain),
        _ => one_of(|byte| plain(byte) || b":/".contains(&byte)),
    }
}

/// In lower case.
fn one_of(is_in: impl Fn(u8) -> bool) -> Set {
    (0..128_u8).filter(|byte| is_in(*byte)).fold(0, |set, byte| set | 1 << byte.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{super::segments, overlap};

    fn could_be_one(one: &str, other: &str) -> bool {
        let arn = |role: &str| segments(&format!("arn:aws:iam::111122223333:role/{role}")).unwrap();
        let found = overlap(&arn(one), &arn(other));
        assert_eq!(found, overlap(&arn(other), &arn(one)), "{one} {other}");
        found
    }

    #[test]
    fn a_tenant_s_name_can_be_any_role_of_its_alphabet() {
        for (one, other) in [
            ("{tenant.id}", "queue-poller"),
            ("{tenant.id}", "Queue-Poller"),
            ("tenant-{tenant.id}", "Tenant-x"),
            ("tenant-{tenant.id}", "tenant-search-{tenant.id}"),
            ("{tenant.cell}", "path/hub"),
            ("{tenant.attributes.path}/data", "teams/a/data"),
            ("{claims.team}", "hub"),
            ("{tenant.id}", "{tenant.cell}"),
            ("a{tenant.cell}b", "{tenant.id}b"),
        ] {
            assert!(could_be_one(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("tenants/{tenant.id}", "queue-poller"),
            ("{tenant.id}", "tenants/{tenant.id}"),
            ("tenant-{tenant.id}", "tenant-"),
            ("tenant-{tenant.id}", "search-{tenant.id}"),
            ("{tenant.id}", "a+b"),
            ("{claims.team}", "path/hub"),
            ("{tenant.id}/data", "x/date"),
        ] {
            assert!(!could_be_one(one, other), "{one} {other}");
        }
    }

    #[test]
    fn an_account_has_twelve_digits_and_a_whole_placeholder_is_anything() {
        let of = |one: &str, other: &str| overlap(&segments(one).unwrap(), &segments(other).unwrap());
        assert!(of("arn:aws:iam::{tenant.account}:role/data", "arn:aws:iam::111122223333:role/data"));
        assert!(!of("arn:aws:iam::{tenant.account}:role/data", "arn:aws:iam::11112222333:role/data"));
        assert!(!of("arn:aws:iam::{tenant.account}:role/data", "arn:aws:iam::111122223333:role/hub"));
        assert!(of("{tenant.attributes.role}", "arn:aws:iam::111122223333:role/hub"));
        assert!(of("{claims.role}", "arn:aws:iam::111122223333:role/hub"));
    }
}
