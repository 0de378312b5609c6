//! The verifier: where trust begins.
//!
//! A leaf module: a [`VerifiedTenant`] has private fields and no other constructor than the functions below that earn it,
//! [`Verifier::verify_token`], [`Verifier::verify_proof`], [`Verifier::verify_deferred`] and [`Verifier::verify_workload`]. Checks run in a
//! fixed order and the first failure decides:
//! length, form, issuer, algorithm, type, key, signature, claims, tenant, issuer's right to speak for the tenant.
//!
//! A token whose signature and claims were checked is remembered by its digest until it expires, so that the expensive part
//! is done once a token; which tenant a request claims is compared every time. One that is not remembered has to be afforded
//! first ([`verification`](super::verification)): before its form is looked at, its source must have a budget left, and its turn must come.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
    time::SystemTime,
};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use serde_json::{Map, Value};

use super::{
    caller_token::CallerToken,
    claims::{self, CheckedClaims},
    deferred::{Deferred, Redeemer},
    facts::TokenFacts,
    jwks::{Jwks, Loaded},
    lease::Lease,
    passport::{self, Passports},
    token::{self, UntrustedToken},
    unverified::Presented,
    users::{ActiveUser, Users},
    vended,
    verification::{
        Effort, Source,
        memory::{Account, Gone, Key, Memory},
        weight,
    },
    workload::{WORKLOAD_ISSUER, Workload},
};
use crate::{
    clock::Clock,
    config::{IssuerConfig, IssuerTenants, Proofs, VerificationConfig},
    reject::{Reason, Refusal},
    secret::Secret,
    telemetry::{
        Metrics,
        traces::{Kind, Step},
    },
    tenant::TenantId,
};

/// What an unknown issuer is called in metrics, whatever the token says.
const UNKNOWN_ISSUER: &str = "_unknown";

/// Proof that a tenant is who a caller says: a verified token names it, and the caller's claim agrees.
#[derive(Debug)]
pub struct VerifiedTenant {
    tenant: TenantId,
    token: Arc<VerifiedToken>,
    /// Where it is not a live request's, but one's that has been deferred.
    deferred: Option<Deferred>,
    right: Right,
    /// As the directory of users had it when the proof was checked, where there is one.
    user: Option<ActiveUser>,
    /// Where STS is asked with it.
    caller_token: Option<CallerToken>,
}

/// Whether the issuer may speak for the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Right {
    /// It may: the configuration lists the tenant.
    Settled,
    /// Only if this attribute of the tenant's record names it.
    IfNamedBy(String),
}

/// Proof that the issuer behind a [`VerifiedTenant`] may speak for the tenant. To be had from [`VerifiedTenant::discharge`] alone, so
/// that whoever demands it cannot forget the part of the check that needs the tenant's record.
#[derive(Debug, Clone)]
pub struct Entitled(());

impl VerifiedTenant {
    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The user, unique within [`VerifiedTenant::issuer`].
    pub fn subject(&self) -> &str {
        &self.token.claims.subject
    }

    /// Who vouched.
    pub fn issuer(&self) -> &str {
        &self.token.issuer
    }

    /// The user's roles: as the directory of users says, or without one as the token says.
    pub fn roles(&self) -> &[String] {
        self.user.as_ref().map_or(&self.token.claims.roles, ActiveUser::roles)
    }

    /// What the directory of users said when the proof was checked; `None` without one.
    pub fn user(&self) -> Option<&ActiveUser> {
        self.user.as_ref()
    }

    /// The token itself; `None` where nothing is asked with it, and for a proof of any other kind.
    pub fn caller_token(&self) -> Option<&CallerToken> {
        self.caller_token.as_ref()
    }

    /// By what it can be revoked.
    pub fn facts(&self) -> TokenFacts<'_> {
        TokenFacts { context_id: self.deferred.as_ref().map(Deferred::id), ..self.token.facts() }
    }

    /// Settles whether the issuer may speak for the tenant; `attribute` answers for attributes of the tenant's record.
    ///
    /// # Errors
    /// [`Reason::IssuerNotForTenant`] where the record does not name the issuer.
    pub fn discharge<'r>(&self, attribute: impl Fn(&str) -> Option<&'r str>) -> Result<Entitled, Refusal> {
        match &self.right {
            Right::Settled => Ok(Entitled(())),
            Right::IfNamedBy(name) if attribute(name) == Some(self.issuer()) => Ok(Entitled(())),
            Right::IfNamedBy(name) => Err(Refusal::noted(
                Reason::IssuerNotForTenant,
                format!("the tenant's attribute {name} does not name issuer {}", self.issuer()),
            )),
        }
    }

    /// What the token may be used for, as it says itself.
    pub fn scopes(&self) -> &[String] {
        &self.token.claims.scopes
    }

    /// The token's own id, where it has one.
    pub fn token_id(&self) -> Option<&str> {
        self.token.claims.token_id.as_deref()
    }

    /// Everything that it can be revoked by: the token's own id, and that of the context that was made in its name.
    pub fn token_ids(&self) -> impl Iterator<Item = &str> {
        self.token_id().into_iter().chain(self.deferred.as_ref().map(Deferred::id))
    }

    /// The terms of deferred work; `None` for a proof of any other kind.
    pub fn deferred(&self) -> Option<&Deferred> {
        self.deferred.as_ref()
    }

    /// When the token was made, where it says so.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.token.claims.issued_at
    }

    /// All claims of the token.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.token.all
    }

    /// When the proof ends, leeway included.
    pub fn expires(&self) -> SystemTime {
        self.token.claims.expires
    }
}

/// A token whose signature and claims are good; for which of its tenants is not yet said.
#[derive(Debug)]
struct VerifiedToken {
    issuer: Arc<str>,
    /// Of the issuer's keys; for a workload's certificate, of the mappings.
    generation: u64,
    claims: CheckedClaims,
    all: Map<String, Value>,
}

/// Checks proofs.
#[derive(Debug)]
pub struct Verifier {
    issuers: HashMap<String, Issuer>,
    /// Names of those that there were before, and are no more.
    former: BTreeSet<String>,
    remembered: Memory<VerifiedToken>,
    effort: Effort,
    /// Says whom users act for, where tokens do not.
    users: Option<Arc<dyn Users>>,
    keeps_tokens: bool,
    /// Which mappings of certificates to tenants hold.
    mappings: u64,
    clock: Clock,
    metrics: Metrics,
}

#[derive(Debug)]
struct Issuer {
    name: Arc<str>,
    config: IssuerConfig,
    keys: Arc<Jwks>,
}

impl Verifier {
    /// A verifier for these issuers and their keys.
    pub fn new(issuers: Vec<(IssuerConfig, Arc<Jwks>)>, config: &VerificationConfig, clock: Clock, metrics: Metrics) -> Self {
        let issuers = issuers
            .into_iter()
            .map(|(config, keys)| (config.issuer.clone(), Issuer { name: config.issuer.as_str().into(), config, keys }))
            .collect();
        let remembered = Memory::new(&config.cache, metrics.clone());
        let effort = Effort::new(config, &clock, metrics.clone());
        Self { issuers, former: BTreeSet::new(), remembered, effort, users: None, keeps_tokens: false, mappings: 0, clock, metrics }
    }

    /// Lets `users` say whom a user acts for, and with which roles. Tokens prove the user alone from then on.
    #[must_use]
    pub fn with_users(self, users: Option<Arc<dyn Users>>) -> Self {
        Self { users, ..self }
    }

    /// Whether a token is kept beside what it proves, for calls to STS.
    #[must_use]
    pub fn keeping_tokens(self, keeps_tokens: bool) -> Self {
        Self { keeps_tokens, ..self }
    }

    /// Tells the mappings of certificates from those before: what was proved by others is no proof any more, whenever it was made.
    #[must_use]
    pub fn under_mappings(self, mappings: u64) -> Self {
        Self { mappings, ..self }
    }

    /// Takes the place of `before`: an issuer that it had, or had lost, and that this one has not, was taken away.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        let known = before.issuers.keys().chain(&before.former);
        self.former = known.filter(|name| !self.issuers.contains_key(*name)).cloned().collect();
        self
    }

    /// The ingress: a JWT, and a tenant header that agrees with it. `source` is the address of who sent it; what it sends that is no
    /// token of an issuer's is counted against it.
    pub async fn verify_token(&self, presented: Presented, source: IpAddr) -> Result<Arc<VerifiedTenant>, Refusal> {
        self.verify(presented, &Source::client(source)).await
    }

    async fn verify(&self, presented: Presented, source: &Source) -> Result<Arc<VerifiedTenant>, Refusal> {
        let proof = presented.proof()?;
        if proof.expose().starts_with(passport::PREFIX) {
            return Err(Refusal::noted(Reason::ProofNotAccepted, "a passport is no proof on the ingress"));
        }
        if Redeemer::is_meant(&presented) {
            return Err(Refusal::noted(Reason::ProofNotAccepted, "a deferred context is no proof on the ingress"));
        }
        let sole = presented.may_be_sole;
        if presented.tenant.is_none() && !sole {
            return Err(Refusal::noted(Reason::TenantMissing, source.how_to_name_a_tenant()));
        }
        let claimed = presented.tenant.as_ref().map(|claimed| claimed.id());
        let token = self.token(proof.expose(), claimed, source).await?;
        if let Some(users) = &self.users {
            let user = ActiveUser::admit(users.find(&token.issuer, &token.claims.subject).await?)?;
            claimed.map_or(Ok(()), |claimed| user.acts_for(claimed))?;
            return self.entitled(user.tenant().clone(), token, Some(user), proof);
        }
        match claimed {
            Some(claimed) if !token.claims.tenants.iter().any(|t| t == claimed.as_str()) => Err(Reason::TenantMismatch.into()),
            Some(claimed) => self.entitled(claimed.clone(), token, None, proof),
            None => self.entitled(sole_tenant(&token)?, token, None, proof),
        }
    }

    /// The egress: whichever proofs are configured. A passport names its own tenant; a claim beside it must agree.
    pub async fn verify_proof(
        &self,
        presented: Presented,
        accepted: Proofs,
        passports: Option<&Passports>,
    ) -> Result<(Arc<VerifiedTenant>, Lease), Refusal> {
        let proof = presented.proof()?.expose();
        if proof.starts_with(vended::PREFIX) {
            return Err(Refusal::noted(Reason::ProofNotAccepted, "the session token of vended keys is no proof without their signature"));
        }
        if Redeemer::is_meant(&presented) {
            return Err(Refusal::noted(Reason::ProofNotAccepted, "a deferred context; egress.proofs does not list them"));
        }
        if !proof.starts_with(passport::PREFIX) {
            if !accepted.jwt {
                return Err(Refusal::noted(Reason::ProofNotAccepted, "a token, which egress.proofs does not have"));
            }
            let source = Source::Application(presented.tenant.as_ref().map(|claimed| claimed.id().clone()));
            return Ok((self.verify(presented, &source).await?, Lease::of_token()));
        }
        let passports = passports.filter(|_| accepted.passport).ok_or(Reason::ProofNotAccepted)?;
        let (tenant, lease) = passports.redeem(proof, presented.tenant.as_ref())?;
        self.vouches_for(&tenant)?;
        Ok((tenant, lease))
    }

    /// Whether a proof that was checked before, and perhaps under another configuration, is of an issuer that may still speak for its tenant.
    ///
    /// # Errors
    /// [`Reason::TokenIssuer`], [`Reason::IssuerNotForTenant`]
    pub fn vouches_for(&self, verified: &VerifiedTenant) -> Result<(), Refusal> {
        // A context's issuer may be known to its sealer alone.
        if verified.deferred.is_some() {
            return Ok(());
        }
        // A workload's tenant is the configuration's word, and so of the configuration that said it.
        if verified.issuer() == WORKLOAD_ISSUER {
            if verified.token.generation == self.mappings {
                return Ok(());
            }
            return Err(Refusal::noted(Reason::TokenIssuer, "identity.workloads has changed since the client's certificate was looked at"));
        }
        let issuer = self.issuers.get(verified.issuer()).ok_or(Reason::TokenIssuer)?;
        match issuer.right_for(verified.tenant())? {
            Right::Settled => Ok(()),
            right if right == verified.right => Ok(()),
            Right::IfNamedBy(name) => {
                let note = format!("the issuer may speak for tenants whose attribute {name} names it, which was not looked at");
                Err(Refusal::noted(Reason::IssuerNotForTenant, note))
            }
        }
    }

    /// The egress of a worker: a context that another process sealed. It names its own tenant; a claim beside it must agree.
    ///
    /// Who the caller was is the sealer's word, under the seal. An issuer that is known here is held to its tenants all the same: they
    /// may have become fewer since. One that was known here and was taken away speaks for nobody any more.
    pub fn verify_deferred(&self, presented: &Presented, redeemer: &Redeemer) -> Result<(Arc<VerifiedTenant>, Lease), Refusal> {
        let outcome = self.deferred(presented, redeemer);
        redeemer.count(&outcome);
        Ok((Arc::new(outcome?), Lease::of_token()))
    }

    fn deferred(&self, presented: &Presented, redeemer: &Redeemer) -> Result<VerifiedTenant, Refusal> {
        let context = redeemer.redeem(presented.proof()?.expose())?;
        if presented.tenant.as_ref().is_some_and(|claimed| !claimed.names(context.tenant())) {
            let refusal = Refusal::noted(Reason::TenantMismatch, "the deferred context is of another tenant than the request names");
            return Err(refusal.of_context(context.opened()));
        }
        let right = match self.issuers.get(context.issuer()) {
            Some(issuer) => issuer.right_for(context.tenant()),
            None if self.former.contains(context.issuer()) => {
                Err(Refusal::noted(Reason::TokenIssuer, "the issuer was taken out of identity.issuers since this process started"))
            }
            None => Ok(Right::Settled),
        };
        let right = right.map_err(|refusal| refusal.of_context(context.opened()))?;
        let parts = context.into_parts();
        let claims = CheckedClaims {
            subject: parts.subject,
            tenants: vec![parts.tenant.to_string()],
            roles: parts.roles,
            scopes: parts.scopes,
            token_id: parts.token_id,
            issued_at: parts.issued_at,
            expires: parts.expires,
        };
        let token = VerifiedToken { issuer: parts.issuer.into(), generation: 0, claims, all: Map::new() };
        Ok(VerifiedTenant {
            tenant: parts.tenant,
            token: Arc::new(token),
            right,
            user: None,
            deferred: Some(parts.deferred),
            caller_token: None,
        })
    }

    /// Forgets the remembered tokens that `doomed` chooses, so that each is checked again when it comes; how many there were. For changes
    /// of the directory, not for requests: it looks at all of them.
    pub fn forget_where(&self, doomed: impl Fn(&TokenFacts<'_>) -> bool) -> usize {
        self.remembered.forget_where(|token| doomed(&token.facts()))
    }

    /// The egress, where the certificate of a client may be its proof: for the one tenant that the client works for.
    pub fn verify_workload(&self, workload: &Workload) -> (Arc<VerifiedTenant>, Lease) {
        self.metrics.token_verification(WORKLOAD_ISSUER, "ok");
        let claims = CheckedClaims {
            subject: workload.subject().to_owned(),
            tenants: vec![workload.tenant().to_string()],
            roles: workload.roles().to_vec(),
            scopes: Vec::new(),
            token_id: None,
            issued_at: Some(workload.since()),
            expires: workload.expires(),
        };
        let token = VerifiedToken { issuer: WORKLOAD_ISSUER.into(), generation: self.mappings, claims, all: Map::new() };
        let tenant = workload.tenant().clone();
        // The configuration says the tenant, and no user is behind it.
        let right = Right::Settled;
        (
            Arc::new(VerifiedTenant { tenant, token: Arc::new(token), right, user: None, deferred: None, caller_token: None }),
            Lease::of_token(),
        )
    }

    /// Names of the issuers whose keys are not at hand.
    pub fn issuers_without_keys(&self) -> Vec<&str> {
        self.issuers.values().filter(|issuer| !issuer.keys.is_ready()).map(|issuer| &*issuer.name).collect()
    }

    /// Whether the issuer may speak for the tenant, as far as that can be told without the tenant's record.
    fn entitled(
        &self,
        tenant: TenantId,
        token: Arc<VerifiedToken>,
        user: Option<ActiveUser>,
        proof: &Secret,
    ) -> Result<Arc<VerifiedTenant>, Refusal> {
        let issuer = self.issuers.get(&*token.issuer).ok_or(Reason::TokenIssuer)?;
        let right = issuer.right_for(&tenant)?;
        let ends = token.claims.expires - issuer.config.leeway;
        let caller_token = self.keeps_tokens.then(|| CallerToken::keep(proof, ends));
        Ok(Arc::new(VerifiedTenant { tenant, token, right, user, deferred: None, caller_token }))
    }

    async fn token(&self, text: &str, claimed: Option<&TenantId>, source: &Source) -> Result<Arc<VerifiedToken>, Refusal> {
        if text.len() > token::MAX_BYTES {
            return Err(Refusal::noted(Reason::TokenMalformed, "longer than 16 KiB"));
        }
        let mut key = [0; SHA256_OUTPUT_LEN];
        key.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        if let Some(token) = self.remembered(&key) {
            self.metrics.token_verification(&token.issuer, "cached");
            return Ok(token);
        }
        let mut issuer_label = UNKNOWN_ISSUER;
        let result = self.check(text, source, &mut issuer_label).await;
        self.metrics.token_verification(issuer_label, result.as_ref().map_or_else(|refusal| refusal.reason.as_str(), |_| "ok"));
        let token = Arc::new(result?);
        self.remembered.insert(key, token.clone(), token.account(claimed), self.clock.now());
        Ok(token)
    }

    async fn check<'a>(&'a self, text: &str, source: &Source, issuer_label: &mut &'a str) -> Result<VerifiedToken, Refusal> {
        let signed = self.signed(text, source, issuer_label).await;
        let (token, issuer, keys) = signed.inspect_err(|refusal| self.effort.failed(source, refusal.reason))?;
        let claims = claims::check(&token.claims, &issuer.config, self.clock.now())?;
        Ok(VerifiedToken { issuer: issuer.name.clone(), generation: keys.generation, claims, all: token.claims })
    }

    /// The token, if one of its issuer's keys signed it.
    async fn signed<'a, 't>(
        &'a self,
        text: &'t str,
        source: &Source,
        issuer_label: &mut &'a str,
    ) -> Result<(UntrustedToken<'t>, &'a Issuer, Arc<Loaded>), Refusal> {
        let turn = self.effort.turn(source).await?;
        let token = UntrustedToken::parse(text)?;
        let issuer = match token.claims.get("iss") {
            Some(Value::String(name)) => self.issuers.get(name).ok_or(Reason::TokenIssuer)?,
            _ => return Err(Refusal::noted(Reason::TokenIssuer, "iss is missing or no string")),
        };
        *issuer_label = &issuer.name;
        if !issuer.config.algorithms.contains(&token.algorithm) {
            return Err(Refusal::noted(
                Reason::TokenAlgorithm,
                format!("{:?} is not in algorithms of the issuer {}", token.algorithm, issuer.name),
            ));
        }
        if !issuer.config.rules.types.accept(token.typ.as_deref()) {
            return Err(Reason::TokenType.into());
        }
        let (keys, turn) = match issuer.keys_at_hand(&token) {
            Some(keys) => (keys, turn),
            None => {
                // Others check theirs meanwhile.
                drop(turn);
                let keys = self.awaited_keys(issuer, &token, source).await?;
                (keys, self.effort.turn(source).await?)
            }
        };
        verify_signature(&token, &keys)?;
        drop(turn);
        Ok((token, issuer, keys))
    }

    /// The issuer's keys, fetched once more since they do not have the token's key id.
    async fn awaited_keys(&self, issuer: &Issuer, token: &UntrustedToken<'_>, source: &Source) -> Result<Arc<Loaded>, Refusal> {
        let place = self.effort.place(source)?;
        let step = Step::begin("keys", Kind::Internal);
        if let Some(step) = &step {
            step.set("palisade.issuer", issuer.name.to_string());
        }
        let loaded = issuer.keys.after_unknown_key().await;
        drop(step);
        drop(place);
        let loaded = loaded.ok_or_else(|| Refusal::from(Reason::KeysUnavailable).retry_after(super::jwks::RETRY_INTERVAL))?;
        if loaded.keys.knows(token.key_id.as_deref()) { Ok(loaded) } else { Err(Reason::TokenKeyUnknown.into()) }
    }

    /// A remembered token that is still good: not expired, and its issuer's keys have not been loaded again since.
    fn remembered(&self, key: &Key) -> Option<Arc<VerifiedToken>> {
        let token = self.remembered.get(key)?;
        if self.clock.now() >= token.claims.expires {
            self.remembered.remove(key, Gone::Expired);
            return None;
        }
        let current = self.issuers.get(&*token.issuer).and_then(|issuer| issuer.keys.usable());
        if current.is_none_or(|keys| keys.generation != token.generation) {
            self.remembered.remove(key, Gone::Stale);
            return None;
        }
        Some(token)
    }

    #[cfg(test)]
    fn remembered_count(&self) -> usize {
        self.remembered.len()
    }
}

impl VerifiedToken {
    fn facts(&self) -> TokenFacts<'_> {
        let claims = &self.claims;
        TokenFacts {
            issuer: &self.issuer,
            subject: &claims.subject,
            tenants: &claims.tenants,
            token_id: claims.token_id.as_deref(),
            context_id: None,
            issued_at: claims.issued_at,
        }
    }

    /// Whose room it takes: that of the tenant it is used for, of the first that it names, or, where it names none, of its user.
    fn account(&self, claimed: Option<&TenantId>) -> Account {
        let claims = &self.claims;
        let named = claims.tenants.iter().find(|tenant| claimed.is_some_and(|claimed| claimed.as_str() == *tenant));
        let owner = named.or(claims.tenants.first()).unwrap_or(&claims.subject);
        let texts = claims.tenants.iter().chain(&claims.roles).chain(&claims.scopes).chain([&claims.subject]).chain(&claims.token_id);
        let weight = size_of::<Self>() + weight::of_claims(&self.all) + texts.map(|text| 2 * weight::of_text(text.len())).sum::<usize>();
        Account { issuer: self.issuer.clone(), owner: owner.as_str().into(), weight, expires: claims.expires }
    }
}

impl Issuer {
    /// Whether the issuer may speak for the tenant, as far as that can be told without the tenant's record.
    fn right_for(&self, tenant: &TenantId) -> Result<Right, Refusal> {
        match &self.config.tenants {
            IssuerTenants::Attribute(name) => Ok(Right::IfNamedBy(name.clone())),
            IssuerTenants::Listed(patterns) if patterns.iter().any(|pattern| pattern.matches(tenant)) => Ok(Right::Settled),
            IssuerTenants::Listed(_) => {
                Err(Refusal::noted(Reason::IssuerNotForTenant, format!("issuer {} may not speak for it", self.name)))
            }
        }
    }

    /// The keys, where the one that the token names is among them.
    fn keys_at_hand(&self, token: &UntrustedToken<'_>) -> Option<Arc<Loaded>> {
        self.keys.usable().filter(|loaded| loaded.keys.knows(token.key_id.as_deref()))
    }
}

/// The one tenant that a token names.
fn sole_tenant(token: &VerifiedToken) -> Result<TenantId, Refusal> {
    match token.claims.tenants.as_slice() {
        [tenant] => tenant.parse().map_err(|e| Refusal::noted(Reason::TenantMalformed, format!("{e}"))),
        _ => Err(Refusal::noted(Reason::TenantMissing, "the token names several tenants, and the request none of them")),
    }
}

/// Tries the keys that the header's id and algorithm allow; the algorithm is pinned to each key's own type.
fn verify_signature(token: &UntrustedToken<'_>, keys: &Loaded) -> Result<(), Refusal> {
    let mut tried = false;
    for key in keys.keys.candidates(token.key_id.as_deref(), token.algorithm) {
        tried = true;
        if key.verify_sig(token.signed.as_bytes(), &token.signature).is_ok() {
            return Ok(());
        }
    }
    if tried {
        return Err(Reason::TokenSignature.into());
    }
    Err(Refusal::noted(Reason::TokenAlgorithm, format!("no key that the token may be signed with is for {:?}", token.algorithm)))
}

#[cfg(test)]
impl VerifiedTenant {
    /// A proof for unit tests of other rooms.
    pub(crate) fn for_tests(tenant: &str) -> Arc<Self> {
        Self::for_tests_with(tenant, "user-1", Map::new())
    }

    /// The same with what a token says of its user and of itself.
    pub(crate) fn for_tests_named(
        tenant: &str,
        subject: &str,
        roles: &[&str],
        token_id: Option<&str>,
        issued_at: Option<u64>,
    ) -> Arc<Self> {
        let issued_at = issued_at.map(|seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds));
        Self::changed(Self::for_tests_with(tenant, subject, Map::new()), |claims| {
            claims.roles = roles.iter().map(|role| (*role).to_owned()).collect();
            claims.token_id = token_id.map(str::to_owned);
            claims.issued_at = issued_at;
        })
    }

    /// The same with a moment of issue.
    pub(crate) fn for_tests_issued(tenant: &str, at: SystemTime) -> Arc<Self> {
        Self::changed(Self::for_tests(tenant), |claims| claims.issued_at = Some(at))
    }

    fn changed(this: Arc<Self>, change: impl FnOnce(&mut CheckedClaims)) -> Arc<Self> {
        let mut this = Arc::into_inner(this).unwrap();
        change(&mut Arc::get_mut(&mut this.token).unwrap().claims);
        Arc::new(this)
    }

    /// The same with a subject and claims.
    pub(crate) fn for_tests_with(tenant: &str, subject: &str, all: Map<String, Value>) -> Arc<Self> {
        Self::for_tests_until(tenant, subject, all, SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000))
    }

    /// The same with the token's expiry.
    pub(crate) fn for_tests_until(tenant: &str, subject: &str, all: Map<String, Value>, expires: SystemTime) -> Arc<Self> {
        Self::made_up(tenant, subject, &["reader"], &[], all, expires)
    }

    /// The same with roles and scopes.
    pub(crate) fn for_tests_as(tenant: &str, roles: &[&str], scopes: &[&str]) -> Arc<Self> {
        let expires = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000);
        Self::made_up(tenant, "user-1", roles, scopes, Map::new(), expires)
    }

    fn made_up(tenant: &str, subject: &str, roles: &[&str], scopes: &[&str], all: Map<String, Value>, expires: SystemTime) -> Arc<Self> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let claims = CheckedClaims {
            subject: subject.to_owned(),
            tenants: vec![tenant.to_owned()],
            roles: owned(roles),
            scopes: owned(scopes),
            token_id: None,
            issued_at: None,
            expires,
        };
        let token = VerifiedToken { issuer: "https://idp.test/".into(), generation: 1, claims, all };
        Arc::new(Self {
            tenant: tenant.parse().unwrap(),
            token: Arc::new(token),
            right: Right::Settled,
            user: None,
            deferred: None,
            caller_token: None,
        })
    }

    /// The same with the token at hand, whose payload is `payload` as it stands.
    pub(crate) fn for_tests_bearing(tenant: &str, subject: &str, all: Map<String, Value>, payload: &str, ends: SystemTime) -> Arc<Self> {
        let mut this = Arc::into_inner(Self::for_tests_until(tenant, subject, all, ends)).unwrap();
        this.caller_token = Some(CallerToken::keep(&Secret::new(format!("header.{payload}.TOKEN")), ends));
        Arc::new(this)
    }

    /// The same of a token that is known by `facts`; its issuer has to be named by the attribute `bound` of the tenant's record.
    pub(crate) fn for_tests_of(tenant: &str, facts: TokenFacts<'_>, bound: Option<&str>, user: Option<ActiveUser>) -> Arc<Self> {
        let expires = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000);
        let claims = CheckedClaims {
            subject: facts.subject.to_owned(),
            tenants: facts.tenants.to_vec(),
            roles: vec!["reader".to_owned()],
            scopes: Vec::new(),
            token_id: facts.token_id.map(str::to_owned),
            issued_at: facts.issued_at,
            expires,
        };
        let token = Arc::new(VerifiedToken { issuer: facts.issuer.into(), generation: 1, claims, all: Map::new() });
        let right = bound.map_or(Right::Settled, |name| Right::IfNamedBy(name.to_owned()));
        Arc::new(Self { tenant: tenant.parse().unwrap(), token, right, user, deferred: None, caller_token: None })
    }
}

#[cfg(test)]
mod tests;
