//! ARNs of roles with placeholders, as far as their text tells.

use crate::config::template::{Name, Segment, Template, segments};

/// What stands for a value in a part of an ARN.
const VALUE: char = '\u{0}';

/// Why no value of its placeholders makes `template` the ARN of a role.
pub(super) fn wrong_for_any_value(template: &Template) -> Option<String> {
    let (mut text, mut is_whole) = (String::new(), true);
    // Behind a value that may have a colon in it nobody knows which part it is.
    for segment in segments(template.as_text()).ok()? {
        match segment {
            Segment::Literal(literal) => text.push_str(&literal),
            Segment::Placeholder(Name::TenantAccount | Name::TenantCell | Name::TenantId | Name::TenantRegion | Name::TenantTier) => {
                text.push(VALUE)
            }
            Segment::Placeholder(_) => {
                text.push(VALUE);
                is_whole = false;
                break;
            }
        }
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    for (number, part) in parts.iter().enumerate() {
        let (known, is_open) = part.split_once(VALUE).map_or((*part, false), |(known, _)| (known, true));
        let fits = |word: &str| if is_open { word.starts_with(known) } else { word == known };
        let wrong = match number {
            0 => (!fits("arn")).then(|| "does not begin with arn:".to_owned()),
            1 => (!(known.starts_with("aws") || is_open && "aws".starts_with(known))).then(|| format!("{known} is no partition of AWS's")),
            2 => (!fits("iam")).then(|| format!("it is of {known}, and roles are of iam")),
            3 => (!fits("")).then(|| "roles have no region: there is nothing between the colons behind iam".to_owned()),
            4 => {
                let digits = known.bytes().all(|byte| byte.is_ascii_digit());
                (!digits || known.len() > 12 || (!is_open && known.len() != 12))
                    .then(|| format!("{known} is no account's id, which has 12 digits"))
            }
            _ => (!(known.starts_with("role/") || is_open && "role/".starts_with(known))).then(|| {
                format!("{} is no role's name, which begins with role/", if is_open { format!("{known}...") } else { known.to_owned() })
            }),
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    (parts.len() < 6 && is_whole).then(|| "it has fewer than six parts".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::template::Lands;

    #[test]
    fn what_no_value_can_make_right_is_wrong() {
        let wrong = |text: &str| wrong_for_any_value(&Template::parse_open(text, Lands::Arn).unwrap());
        for right in [
            "arn:aws:iam::111122223333:role/{tenant.id}",
            "arn:aws-cn:iam::{tenant.account}:role/{tenant.attributes.path}/data",
            "{tenant.attributes.role_arn}",
            "{claims.prefix}:role/x",
            "arn:aws:iam::{tenant.attributes.account}:role/x",
            "arn:aws:iam::{tenant.attributes.rest}",
            "arn:aws:iam::111122223333:{tenant.attributes.rest}",
            "arn:aws:iam::1111{tenant.attributes.end}:role/x",
            "arn:aws:iam::{tenant.id}:role/data",
        ] {
            assert_eq!(wrong(right), None, "{right}");
        }
        for (text, why) in [
            ("arn:aws:iam::111122223333:user/{tenant.id}", "user/... is no role's name"),
            ("arn:aws:iam::{tenant.account}:user/data", "user/data is no role's name"),
            ("arn:aws:iam::11112222333:role/{tenant.id}", "11112222333 is no account's id"),
            ("arn:aws:sts::111122223333:role/{tenant.id}", "it is of sts, and roles are of iam"),
            ("arn:aws:iam:eu-west-1:111122223333:role/{tenant.id}", "roles have no region"),
            ("arn:azure:iam::111122223333:role/{tenant.id}", "azure is no partition"),
            ("arn:aws:s3:::bucket-{tenant.id}", "it is of s3"),
            ("urn:aws:iam::111122223333:role/{tenant.id}", "does not begin with arn:"),
            ("arn:aws:iam::111122223333:policy/{tenant.attributes.x}", "policy/... is no role's name"),
            ("{tenant.id}-{tenant.cell}-x-y-z-000", "it has fewer than six parts"),
        ] {
            assert!(wrong(text).is_some_and(|found| found.starts_with(why)), "{text}: {:?}", wrong(text));
        }
    }
}
