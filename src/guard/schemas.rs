//! Tables' hash keys, where a rule says `learn`: DynamoDB is asked for them (`DescribeTable`).
//!
//! A request about a table whose keys are not known waits for them: it is looked at once, as if whatever depends on them were the tenant's; if it is
//! not refused then, the keys are asked for, and it is judged anew, by what is known then alone. The question is a request of the same tenant, with
//! its own session, signed and sent as the tenant's requests are: Palisade's own identity reads no table.
//!
//! The attack, and what is done about it:
//! * **an answer of one's own**: nothing of the question but the table's name comes from the application. What is answered is remembered for the
//!   place where the answer is from, which is the service, the very host that the request goes to, the region, and the role whose session signed:
//!   a tenant whose role, account or host is another one asks itself, and whoever owns an account decides about the tables in it alone;
//! * **another schema since**: an answer is good for five minutes. A table that is made anew with its keys the other way round, and an index that
//!   is, are seen then at the latest, as an operator has to know;
//! * **no answer**: without one nothing is allowed. Where DynamoDB cannot be had for the moment, the last answer stands in, for an hour at most;
//! * **made-up names**: only tables that a rule is about for this tenant are asked for. What failed is not asked for again for some seconds, no
//!   tenant has more than a few failures at once, a request no more than a few questions, and each question counts as a request of the tenant's. What
//!   is remembered is bounded, and no place takes another's room but when all of it is taken;
//! * **a large or strange answer**: it is read up to a limit, and what is not understood is a failure.
//!
//! Tenants do not wait for each other: those who ask at the same time for the same table each ask once.

mod answer;
mod ask;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
mod store;

use std::{
    borrow::Cow,
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::Response;

pub(super) use self::ask::Behalf;
use self::store::{Seen, Store};
use super::{GuardedRequest, rules::Opinion};
use crate::{
    aws::target::{Destination, Target},
    body::Body,
    clock::Clock,
    config::TableKeys,
    directory::ActiveTenant,
    reject::{Reason, Refusal},
};

/// For all that one request waits for.
const LONGEST: Duration = Duration::from_secs(5);
/// For the answer to one question.
const ANSWER: Duration = Duration::from_secs(3);
/// When to come back after what could not be had.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// Tables that are asked for on account of one request.
const AT_ONCE: usize = 16;

/// Sends what the guard itself asks AWS in a tenant's name.
pub(crate) trait Courier: Send + Sync {
    /// The role whose session signs what `tenant` asks of `service`.
    ///
    /// # Errors
    /// There is none, as the request would be told too.
    fn role(&self, service: &str, tenant: &ActiveTenant) -> Result<String, Refusal>;

    /// The answer to `request`, signed with its tenant's session and sent as the tenant's requests are.
    fn carry(&self, request: GuardedRequest) -> BoxFuture<'_, Result<Response<Body>, Refusal>>;
}

/// What is known of tables. Without a [`Courier`] nothing is ever learnt.
#[derive(Default)]
pub(super) struct Schemas {
    asker: Option<Asker>,
    store: Store,
}

struct Asker {
    courier: Arc<dyn Courier>,
    clock: Clock,
}

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schemas")
    }
}

/// Why the keys of a table are not known. Says nothing of items.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unknown {
    why: Cow<'static, str>,
    /// Whether they may be in a moment.
    for_now: bool,
}

/// What is known of the tables of one request.
pub(super) struct Tables<'a> {
    schemas: &'a Schemas,
    /// Whose session asks; `None` where nobody is to be asked.
    tenant: Option<&'a ActiveTenant>,
    target: &'a Target,
    /// What answers are remembered for.
    place: OnceCell<Result<String, Refusal>>,
    /// By the name or ARN in the request.
    found: RefCell<BTreeMap<String, Found>>,
}

#[derive(Clone)]
enum Found {
    Known(Arc<TableKeys>),
    Unknown(Unknown),
    Wanted,
}

impl Schemas {
    pub(super) fn new(courier: Arc<dyn Courier>, clock: Clock) -> Self {
        Self { asker: Some(Asker { courier, clock }), store: Store::default() }
    }

    /// What is known for a request of `tenant` to `target`.
    pub(super) fn tables<'a>(&'a self, tenant: &'a ActiveTenant, target: &'a Target) -> Tables<'a> {
        Tables { schemas: self, tenant: Some(tenant), target, place: OnceCell::new(), found: RefCell::default() }
    }

    /// For a request that is only talked about: nobody is asked.
    pub(super) fn nothing<'a>(&'a self, target: &'a Target) -> Tables<'a> {
        Tables { schemas: self, tenant: None, target, place: OnceCell::new(), found: RefCell::default() }
    }
}

impl Tables<'_> {
    /// The keys of the table that a request calls `table`; `None` where they have to be asked for, and whatever is made of the request meanwhile
    /// is no verdict.
    ///
    /// # Errors
    /// They were asked for in vain.
    pub(super) fn keys_of(&self, table: &str) -> Result<Option<Arc<TableKeys>>, Opinion> {
        let mut all = self.found.borrow_mut();
        let found = match all.get(table) {
            Some(found) => found.clone(),
            None => {
                let found = self.remembered(table);
                all.insert(table.to_owned(), found.clone());
                found
            }
        };
        match found {
            Found::Known(keys) => Ok(Some(keys)),
            Found::Wanted => Ok(None),
            Found::Unknown(Unknown { why, for_now: true }) => Err(Opinion::DeniedForNow(why)),
            Found::Unknown(Unknown { why, for_now: false }) => Err(Opinion::Denied(why)),
        }
    }

    /// The tables that have to be asked for.
    pub(super) fn wanted(&self) -> Vec<String> {
        let found = self.found.borrow();
        found.iter().filter(|(_, found)| matches!(found, Found::Wanted)).map(|(table, _)| table.clone()).collect()
    }

    fn remembered(&self, table: &str) -> Found {
        let (Some(asker), Some(tenant), Ok(place)) = (&self.schemas.asker, self.tenant, self.place()) else { return Found::Wanted };
        match self.schemas.store.look(tenant.id(), place, table, asker.clock.instant()) {
            Seen::Fresh(keys) => Found::Known(keys),
            Seen::Failed(unknown) => Found::Unknown(unknown),
            Seen::Old(_) | Seen::Nothing => Found::Wanted,
        }
    }

    /// Where an answer would be from. No two places have one name: none of the parts has a line's end in it.
    fn place(&self) -> Result<&str, &Refusal> {
        let name = || {
            let no_courier = || Refusal::noted(Reason::Internal, "a rule learns keys, and nobody asks for them");
            let courier = &self.schemas.asker.as_ref().ok_or_else(no_courier)?.courier;
            let Destination { service, region, dial, host, signed_host, .. } = &**self.target;
            let role = courier.role(service, self.tenant.ok_or_else(no_courier)?)?;
            Ok(format!("{service}\n{region}\n{}\n{host}\n{signed_host}\n{role}", dial.authority))
        };
        self.place.get_or_init(name).as_ref().map(String::as_str)
    }
}
