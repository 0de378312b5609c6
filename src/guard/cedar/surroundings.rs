//! What a request is asked in: when, from where, under which proof.

use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_smithy_types::{DateTime, date_time::Format};
use cedar_policy::{Context, EntityUid, RestrictedExpression};

use super::{Proof, entities::Place, published::Unsaid, reach::Reach};

/// Where requests of tenants come in.
const LISTENER: &str = "egress";

/// The context of everything that is asked about one request.
#[derive(Debug)]
pub(super) struct Surroundings {
    pairs: Vec<(String, RestrictedExpression)>,
    /// Without what is a thing's own.
    bare: Context,
}

/// What there is to be known.
pub(super) struct Known<'a> {
    pub(super) at: SystemTime,
    pub(super) source: Option<IpAddr>,
    pub(super) proof: Proof<'a>,
    pub(super) token: EntityUid,
    pub(super) place: Place<'a>,
    /// The operation, where it is the one that it can be.
    pub(super) operation: Option<&'a str>,
}

impl Surroundings {
    /// With as much of it as is read.
    pub(super) fn new(known: Known<'_>, reach: &Reach) -> Result<Self, Unsaid> {
        let Known { at, source, proof, token, place, operation } = known;
        let mut pairs = Vec::new();
        let mut add = |name: &str, value: &dyn Fn() -> Result<RestrictedExpression, Unsaid>| {
            if reach.reads(name) {
                pairs.push((name.to_owned(), value()?));
            }
            Ok::<(), Unsaid>(())
        };
        let said = |said: &'static str| move || Ok(text(said));
        let Moment { hour, minute, weekday } = Moment::of(at);
        add("listener", &said(LISTENER))?;
        add("now", &|| {
            let now = DateTime::from_secs(DateTime::from(at).secs()).fmt(Format::DateTime).map_err(|_| "a time that cannot be written")?;
            Ok(RestrictedExpression::new_datetime(now))
        })?;
        add("hour", &|| Ok(RestrictedExpression::new_long(hour)))?;
        add("minute", &|| Ok(RestrictedExpression::new_long(minute)))?;
        add("weekday", &|| Ok(RestrictedExpression::new_long(weekday)))?;
        if let Some(source) = source {
            add("source", &|| Ok(RestrictedExpression::new_ip(source.to_string())))?;
        }
        match proof {
            Proof::Certificate => add("proof", &said("certificate"))?,
            Proof::Token => add("proof", &said("token"))?,
            Proof::Passport { request } => {
                add("proof", &said("passport"))?;
                add("passport", &|| record(&[("request", request)]))?;
            }
            Proof::Deferred { id, purpose, request } => {
                add("proof", &said("deferred"))?;
                add("deferred", &|| record(&[("id", id), ("purpose", purpose), ("request", request)]))?;
            }
        }
        add("token", &|| Ok(RestrictedExpression::new_entity_uid(token.clone())))?;
        add("service", &|| Ok(text(place.service)))?;
        add("region", &|| Ok(text(place.region)))?;
        if let Some(operation) = operation {
            add("operation", &|| Ok(text(operation)))?;
        }
        let bare = context(pairs.clone())?;
        Ok(Self { pairs, bare })
    }

    /// The context of a thing; `prefix` is that of a listing.
    pub(super) fn of(&self, prefix: Option<&str>) -> Result<Context, Unsaid> {
        let Some(prefix) = prefix else { return Ok(self.bare.clone()) };
        context(self.pairs.iter().cloned().chain([("prefix".to_owned(), text(prefix))]))
    }
}

fn context(pairs: impl IntoIterator<Item = (String, RestrictedExpression)>) -> Result<Context, Unsaid> {
    Context::from_pairs(pairs).map_err(|_| "a context that cannot be evaluated")
}

fn record(pairs: &[(&str, &str)]) -> Result<RestrictedExpression, Unsaid> {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
    RestrictedExpression::new_record(pairs).map_err(|_| "a record that cannot be evaluated")
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

/// A moment as calendars have it, in UTC.
#[derive(Debug, PartialEq, Eq)]
struct Moment {
    hour: i64,
    minute: i64,
    /// 1, Monday, to 7, Sunday (ISO 8601).
    weekday: i64,
}

impl Moment {
    fn of(at: SystemTime) -> Self {
        let seconds = match at.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
        };
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // 1 January 1970 was a Thursday.
        Self { hour: of_day / 3_600, minute: of_day / 60 % 60, weekday: (days + 3).rem_euclid(7) + 1 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_has_its_hour_and_its_day_of_the_week() {
        let of = |seconds: u64| Moment::of(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(of(0), Moment { hour: 0, minute: 0, weekday: 4 });
        // 2026-11-28, a Saturday, at 19:44:10.
        assert_eq!(of(1_795_895_050), Moment { hour: 19, minute: 44, weekday: 6 });
        assert_eq!(of(1_795_895_050 + 86_400).weekday, 7);
        assert_eq!(of(1_795_895_050 + 2 * 86_400).weekday, 1);
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Moment::of(before), Moment { hour: 23, minute: 59, weekday: 3 });
    }
}
