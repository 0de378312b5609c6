//! How requests name tables: by name, or by ARN.

use crate::aws::resource::Untold;

/// A table that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table<'a> {
    /// As the request has it: one of AWS's ARNs or names, with no character that JSON would write in another way.
    pub(super) text: &'a str,
    pub(super) name: &'a str,
    /// Where an ARN says so.
    pub(super) account: Option<&'a str>,
}

impl<'a> Table<'a> {
    /// `NAME`, or `arn:PARTITION:dynamodb:REGION:ACCOUNT:table/NAME`.
    pub(super) fn read(text: &'a str, region: &str) -> Result<Self, Untold> {
        if !text.starts_with("arn:") {
            return Ok(Self { text, name: named(text)?, account: None });
        }
        let (account, name) = below(text, region)?;
        Ok(Self { text, name: named(name)?, account: Some(account) })
    }

    /// The table of `arn:PARTITION:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL`.
    pub(super) fn of_stream(text: &'a str, region: &str) -> Result<Self, Untold> {
        let (account, path) = below(text, region)?;
        let (name, label) = path.split_once("/stream/").ok_or(NO_TABLE)?;
        // A moment: 2024-06-10T19:34:36.123
        let is_label = !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':' | b'.'));
        if !is_label {
            return Err(NO_TABLE);
        }
        Ok(Self { text, name: named(name)?, account: Some(account) })
    }
}

const NO_TABLE: Untold = "the request does not name a table as DynamoDB's are named";

/// The account and what follows `table/` of an ARN.
fn below<'a>(arn: &'a str, region: &str) -> Result<(&'a str, &'a str), Untold> {
    let mut parts = arn.splitn(6, ':');
    let head = [parts.next(), parts.next(), parts.next(), parts.next()];
    let (account, resource) = parts.next().zip(parts.next()).ok_or(NO_TABLE)?;
    let [
        Some("arn"),
        Some("aws" | "aws-cn" | "aws-us-gov" | "aws-eusc" | "aws-iso" | "aws-iso-b" | "aws-iso-e" | "aws-iso-f"),
        Some("dynamodb"),
        Some(of),
    ] = head
    else {
        return Err(NO_TABLE);
    };
    if of != region {
        return Err("the request names a table of another region than it goes to");
    }
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let name = resource.strip_prefix("table/").filter(|_| is_account).ok_or(NO_TABLE)?;
    Ok((account, name))
}

/// The naming rules of tables and indexes (Amazon DynamoDB developer guide).
fn named(text: &str) -> Result<&str, Untold> {
    let fits = (3..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if fits { Ok(text) } else { Err(NO_TABLE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders";

    #[test]
    fn a_table_has_a_name_and_an_arn() {
        let read = |text| Table::read(text, "eu-west-1");
        assert_eq!(read("orders"), Ok(Table { text: "orders", name: "orders", account: None }));
        assert_eq!(read("a.b_c-1"), Ok(Table { text: "a.b_c-1", name: "a.b_c-1", account: None }));
        assert_eq!(read(ARN), Ok(Table { text: ARN, name: "orders", account: Some("111122223333") }));
        for text in [
            "",
            "ab",
            "arn:aws",
            "arn:",
            "orders/index/x",
            "orders ",
            "ordérs",
            "orders*",
            "ARN:aws:dynamodb:eu-west-1:111122223333:table/orders",
            "arn:aws:dynamodb:us-east-1:111122223333:table/orders",
            "arn:aws:dynamodb::111122223333:table/orders",
            "arn:aws:dynamodb:eu-west-1::table/orders",
            "arn:aws:dynamodb:eu-west-1:11112222333x:table/orders",
            "arn:aws:s3:eu-west-1:111122223333:table/orders",
            "arn:other:dynamodb:eu-west-1:111122223333:table/orders",
            "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/index/x",
            "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/2024-06-10T19:34:36.123",
            "arn:aws:dynamodb:eu-west-1:111122223333:global-table/orders",
            "arn:aws:dynamodb:eu-west-1:111122223333:table:orders",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_stream_is_its_tables() {
        let read = |tail: &str| Table::of_stream(&format!("{ARN}{tail}"), "eu-west-1").map(|table| table.name.to_owned());
        assert_eq!(read("/stream/2024-06-10T19:34:36.123").as_deref(), Ok("orders"));
        for tail in ["", "/stream/", "/stream", "/index/x", "/stream/2024/stream/x", "x/stream/2024-06-10 19", "/backup/01"] {
            assert!(read(tail).is_err(), "{tail}");
        }
        assert!(Table::of_stream("orders", "eu-west-1").is_err());
    }
}
