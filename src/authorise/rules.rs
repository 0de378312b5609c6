//! The rules, and what one of them asks for.

use std::{sync::Arc, time::SystemTime};

use http::Method;

use super::{Methods, PathPattern, SafePath, path::Reserved, trie::Trie};
use crate::{
    client_pattern::ClientPattern,
    config::PassportRule,
    directory::ActiveTenant,
    reject::{Reason, Refusal},
    server::ClientCertificate,
};

/// The name of a path segment that says which tenant is meant.
pub const TENANT: &str = "tenant";

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// The methods that it is about.
    pub methods: Methods,
    /// The paths that it is about.
    pub path: PathPattern,
    /// The client whose connection it is must be one of these, whoever its user is; empty is any client, with or without a certificate.
    pub clients: Box<[ClientPattern]>,
    /// What a user must have.
    pub asks: Asks,
    /// What the passports of its requests are worth.
    pub passport: PassportRule,
}

/// What a rule asks of the user of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nothing, not even a token.
    Nothing,
    /// To be a user of a tenant who has one of each list that is not empty.
    Tenant {
        /// Of these roles.
        roles: Box<[String]>,
        /// Of these scopes of the token.
        scopes: Box<[String]>,
        /// The tenant's tier.
        tiers: Box<[String]>,
    },
}

/// What a connection shows of its client, by itself: nothing that a request, or a proxy in a header, says of one.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The certificate that TLS has verified.
    pub certificate: Option<&'a ClientCertificate>,
    /// Now.
    pub at: SystemTime,
}

/// What holds for a request that no rule fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmatched {
    /// Every user of a tenant may.
    Allow,
    /// Nobody may.
    Deny,
}

/// The rules of an ingress.
#[derive(Debug, Clone)]
pub struct Endpoints {
    rules: Arc<[Arc<Rule>]>,
    trie: Arc<Trie>,
    unmatched: Unmatched,
    ignore_case: bool,
    reserved: Reserved,
}

/// What was decided about a request by its method and path; what it asks for is still to be asked.
#[derive(Debug, Clone)]
pub struct Ruling(Decided);

#[derive(Debug, Clone)]
enum Decided {
    /// By the rule with this number.
    Rule(usize, Arc<Rule>),
    /// By none.
    Unmatched(Unmatched),
}

impl Endpoints {
    /// No rules: every user of a tenant may call everything.
    pub fn none() -> Self {
        Self::new(Vec::new(), Unmatched::Allow, false)
    }

    /// These rules, of which the first that fits decides.
    pub fn new(rules: Vec<Rule>, unmatched: Unmatched, ignore_case: bool) -> Self {
        let trie = Arc::new(Trie::new(rules.iter().map(|rule| (rule.methods, &rule.path)), ignore_case));
        let reserved = rules.iter().map(|rule| rule.path.reserved()).fold(Reserved::default(), Reserved::with);
        Self { rules: rules.into_iter().map(Arc::new).collect(), trie, unmatched, ignore_case, reserved }
    }

    /// The same without regard to case, which matters to whoever reads paths besides the rules.
    pub fn ignoring_case(mut self, ignore_case: bool) -> Self {
        self.ignore_case = ignore_case;
        self
    }

    /// Reads paths with the literals of `pattern` in mind as well.
    pub fn minding(mut self, pattern: &PathPattern) -> Self {
        self.reserved = self.reserved.with(pattern.reserved());
        self
    }

    /// The rules, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|rule| &**rule)
    }

    /// What holds where none of them fits.
    pub fn unmatched(&self) -> Unmatched {
        self.unmatched
    }

    /// Whether literals are compared without regard to case.
    pub fn ignore_case(&self) -> bool {
        self.ignore_case
    }

    /// Reads the path of a request.
    ///
    /// # Errors
    /// [`Reason::PathAmbiguous`].
    pub fn read<'p>(&self, path: &'p str) -> Result<SafePath<'p>, Refusal> {
        SafePath::read(path, self.reserved)
    }

    /// What is decided by method and path alone.
    pub fn rule_on(&self, method: &Method, path: &SafePath<'_>) -> Ruling {
        let found = self.trie.find(method, path.inside()).and_then(|number| Some((number, self.rules.get(number)?.clone())));
        Ruling(found.map_or(Decided::Unmatched(self.unmatched), |(number, rule)| Decided::Rule(number, rule)))
    }

    /// What is decided without looking at the path, where there is nothing to decide.
    pub fn without_path(&self) -> Option<Ruling> {
        self.rules.is_empty().then_some(Ruling(Decided::Unmatched(self.unmatched)))
    }
}

impl Ruling {
    /// Whether nothing is asked of a user: then there is none, and [`Ruling::permit_nobody`] decides.
    pub fn is_public(&self) -> bool {
        matches!(&self.0, Decided::Rule(_, rule) if rule.asks == Asks::Nothing)
    }

    /// The tenant that `path` names, where the rule has a segment for it.
    pub fn tenant<'p>(&self, path: &'p SafePath<'_>) -> Option<&'p str> {
        match &self.0 {
            Decided::Rule(_, rule) => path.segments().nth(rule.path.position(TENANT)?),
            Decided::Unmatched(_) => None,
        }
    }

    /// How the rule that decides is written, where there is one.
    pub fn pattern(&self) -> Option<&str> {
        match &self.0 {
            Decided::Rule(_, rule) => Some(rule.path.as_str()),
            Decided::Unmatched(_) => None,
        }
    }

    /// Whether nobody may, whoever it is: no rule is about it, and that is refused.
    pub fn refuses_all(&self) -> bool {
        self.rule().is_err()
    }

    /// What it says of the request's passport, where that is something of its own.
    pub fn passport(&self) -> Option<&PassportRule> {
        match &self.0 {
            Decided::Rule(_, rule) => Some(&rule.passport),
            Decided::Unmatched(_) => None,
        }
    }

    /// Whether a user of `tenant` may, over a connection of this client.
    ///
    /// # Errors
    /// [`Reason::EndpointNotAllowed`]; [`Reason::CertificateExpired`] where the client's certificate alone is too old;
    /// [`Reason::ScopeInsufficient`] where the token's scopes alone are lacking.
    pub fn permit(&self, tenant: &ActiveTenant, client: Shown<'_>) -> Result<(), Refusal> {
        let Some((number, rule)) = self.rule()? else { return Ok(()) };
        rule.permit_client(number, client)?;
        let Asks::Tenant { roles, scopes, tiers } = &rule.asks else { return Ok(()) };
        let lacks = |what| Err(lacks(number, what));
        if !has_one(roles, tenant.verified().roles().iter().map(String::as_str)) {
            return lacks("role");
        }
        if !has_one(tiers, tenant.record().tier.as_deref()) {
            return lacks("tier");
        }
        if !has_one(scopes, tenant.verified().scopes().iter().map(String::as_str)) {
            return Err(Refusal::noted(Reason::ScopeInsufficient, format!("ingress.endpoints[{number}] wants another scope")));
        }
        Ok(())
    }

    /// Whether a request without a user may, over a connection of this client.
    ///
    /// # Errors
    /// [`Reason::EndpointNotAllowed`], also for what asks for a user; [`Reason::CertificateExpired`].
    pub fn permit_nobody(&self, client: Shown<'_>) -> Result<(), Refusal> {
        match self.rule()? {
            Some((number, rule)) if rule.asks == Asks::Nothing => rule.permit_client(number, client),
            _ => Err(Refusal::noted(Reason::EndpointNotAllowed, "it is for users of tenants")),
        }
    }

    /// The rule that decides; `None` where every user of a tenant may.
    fn rule(&self) -> Result<Option<(usize, &Rule)>, Refusal> {
        match &self.0 {
            Decided::Unmatched(Unmatched::Allow) => Ok(None),
            Decided::Unmatched(Unmatched::Deny) => {
                Err(Refusal::noted(Reason::EndpointNotAllowed, "no rule fits, and ingress.endpoints_default is deny"))
            }
            Decided::Rule(number, rule) => Ok(Some((*number, rule))),
        }
    }
}

impl Rule {
    fn permit_client(&self, number: usize, client: Shown<'_>) -> Result<(), Refusal> {
        if self.clients.is_empty() {
            return Ok(());
        }
        let is_meant = |certificate: &&ClientCertificate| self.clients.iter().any(|pattern| pattern.matches(certificate));
        let certificate = client.certificate.filter(is_meant).ok_or_else(|| lacks(number, "client certificate"))?;
        certificate.still_valid(client.at)
    }
}

fn lacks(number: usize, what: &str) -> Refusal {
    Refusal::noted(Reason::EndpointNotAllowed, format!("ingress.endpoints[{number}] wants another {what}"))
}

/// Whether one of `had` is `wanted`; nothing wanted is always had.
fn has_one<'h>(wanted: &[String], had: impl IntoIterator<Item = &'h str>) -> bool {
    wanted.is_empty() || had.into_iter().any(|had| wanted.iter().any(|wanted| wanted == had))
}

#[cfg(test)]
mod tests;
