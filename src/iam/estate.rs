//! Everything that documents are made from, and which of them are made.

use std::collections::BTreeSet;

use super::{
    Documents, Format, IamError, RoleDocuments, Wanted, What,
    aoss::{self, IS_SHARED},
    base, data,
    document::{Node, Statement},
    kms,
    own::Own,
    roles::{self, By, Role, Use},
    scp,
    text::{Open, Text},
    trust,
};
use crate::{
    aws::service::Service,
    config::{Config, ServiceConfig, template::Name},
    directory::TenantRecord,
};

/// Everything that documents are made from.
#[derive(Debug)]
pub(super) struct Estate<'c> {
    pub(super) region: String,
    /// By way of which others are assumed.
    pub(super) hubs: Vec<Role<'c>>,
    /// Tenants'.
    pub(super) roles: Vec<Role<'c>>,
    /// Signing names of the services that may be called.
    pub(super) services: BTreeSet<String>,
    /// Ids of the collections of OpenSearch Serverless that the configuration names.
    pub(super) collections: Vec<&'c str>,
    /// Whether tenants' sessions are used to ask for the keys of tables.
    pub(super) learns_keys: bool,
    /// Where no tenant is concerned.
    pub(super) own: Own<'c>,
    pub(super) names: Names,
}

/// Names of what holds the data.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) buckets: Vec<Text>,
    pub(super) prefix: Text,
    pub(super) tables: Vec<Text>,
    /// Each a table of these, and an index of it.
    pub(super) table_indexes: Vec<(Text, Text)>,
    pub(super) leading_key: Text,
    pub(super) collection: Option<Text>,
    pub(super) index: Option<Text>,
}

impl<'c> Estate<'c> {
    /// That of every plan that holds for a service, or of the one at the key `only`. Without an egress there are no plans, and directories'
    /// tables alone.
    pub(super) fn new(config: &'c Config, records: &'c [TenantRecord], wanted: &Wanted, only: Option<&str>) -> Result<Self, IamError> {
        let own = Own::new(config);
        let Some((credentials, egress)) = config.credentials.as_ref().zip(config.egress.as_ref()) else {
            return Self::without_egress(own, wanted);
        };
        let signing = |(name, service): (&String, &ServiceConfig)| {
            let known = Service::find(name).map_or(name.as_str(), |known| known.signing_name);
            service.signing_name.clone().unwrap_or_else(|| known.to_owned())
        };
        let plans = &credentials.plans;
        let uses = plans.all().map(|plan| {
            let holds = |name: &String| plans.services.get(name).or(plans.default.as_ref()).is_some_and(|of| std::ptr::eq(of, plan));
            Use { plan, services: egress.services.iter().filter(|(name, _)| holds(name)).map(signing).collect() }
        });
        let uses: Vec<_> = uses.filter(|of| !of.services.is_empty() && only.is_none_or(|key| of.plan.key == key)).collect();
        let (hubs, roles) = roles::roles(&uses, &config.identity.issuers, records)?;
        Ok(Self {
            region: egress.region.clone(),
            hubs,
            roles,
            collections: egress.services.values().filter_map(collection).collect(),
            services: egress.services.iter().map(signing).collect(),
            learns_keys: config.guard.learns_keys(),
            own,
            names: Names::read(wanted)?,
        })
    }

    fn without_egress(own: Own<'c>, wanted: &Wanted) -> Result<Self, IamError> {
        const NO_EGRESS: &str = "there is no egress: Palisade asks AWS for no tenant's credentials";
        if own.is_nothing() {
            return Err(IamError(NO_EGRESS.to_owned()));
        }
        if wanted.what.iter().any(|what| !matches!(what, What::Base | What::Trust)) {
            return Err(IamError(format!("{NO_EGRESS}, and reads directories' tables alone: --what base,trust is all that there is")));
        }
        let (hubs, roles, services, collections) = (Vec::new(), Vec::new(), BTreeSet::new(), Vec::new());
        Ok(Self { region: String::new(), hubs, roles, services, collections, learns_keys: false, own, names: Names::read(wanted)? })
    }

    pub(super) fn calls(&self, service: &str) -> bool {
        self.services.contains(service)
    }

    /// The ARNs of all roles, as patterns.
    pub(super) fn role_patterns(&self) -> Vec<Text> {
        self.roles.iter().map(|role| role.arn().as_pattern()).collect()
    }

    pub(super) fn documents(&self, wanted: &'c Wanted) -> Result<Documents<'c>, IamError> {
        let asked = |what: What| wanted.what.contains(&what);
        // Each lives in a place of its own: a role's with its tenant's account, the organisation's with the organisation.
        let by_default = |what| match what {
            What::Base | What::Trust | What::Data => true,
            What::Session => wanted.format == Format::Json,
            What::Kms => self.calls("kms") || wanted.tenants.iter().any(|record| record.kms_key.is_some()),
            What::Aoss => self.calls("aoss"),
            What::Scp => false,
        };
        // A stack for each tenant is no place for what there is once.
        let is_for_each = wanted.format != Format::Json && wanted.tenants.is_empty() && self.roles.iter().any(|role| role.is_of_one_tenant);
        let is_wanted = |what| match what {
            What::Base if wanted.what.is_empty() && is_for_each => false,
            what if wanted.what.is_empty() => by_default(what),
            what => asked(what),
        };
        let mut documents = Documents::default();
        if is_for_each && wanted.what.is_empty() {
            documents.notes.push(
                "what is printed is for one tenant, as a template for all of them; the policy of Palisade's own identity, and roles on the way to \
                 tenants', are there once, and belong to a stack of their own: print them with --what base"
                    .to_owned(),
            );
        }
        if is_wanted(What::Base) {
            documents.base = base::policy(self);
            self.own.note(&mut documents.notes);
            if documents.base.is_none() {
                const NOBODY: &str = "Palisade needs no identity of its own, and no policy for one: tokens are the authority of every plan";
                if asked(What::Base) {
                    return Err(IamError(NOBODY.to_owned()));
                }
                documents.notes.push(NOBODY.to_owned());
            }
        }
        let readers = if is_for_each && wanted.what.is_empty() { Vec::new() } else { self.own.readers()? };
        for (role, statements) in readers {
            let trust = is_wanted(What::Trust).then(|| trust::policy(&role)).transpose()?;
            let policy = is_wanted(What::Base).then(|| Node::policy(statements.into_iter().map(Statement::node).collect()));
            if trust.is_some() || policy.is_some() {
                documents.readers.push(RoleDocuments { role, trust, policy });
            }
        }
        for hub in self.hubs.iter().filter(|hub| hub.is_of_one_tenant || !is_for_each || !wanted.what.is_empty()) {
            // With its own policy it is printed whole, wherever that is.
            let is_whole = is_wanted(What::Trust) || (is_for_each && is_wanted(What::Base));
            let trust = is_whole.then(|| trust::policy(hub)).transpose()?;
            let policy = is_wanted(What::Base).then(|| base::of_hub(self, hub));
            if trust.is_some() || policy.is_some() {
                documents.hubs.push(RoleDocuments { role: hub.clone(), trust, policy });
            }
        }
        for role in &self.roles {
            let trust = is_wanted(What::Trust).then(|| trust::policy(role)).transpose()?;
            if let Some(wrong) = role.deputy.filter(|_| trust.is_some()) {
                documents.notes.push(format!(
                    "{}.external_id {wrong}: where accounts are the tenants' own, the trust policy should demand an sts:ExternalId that is one \
                     tenant's alone (the confused deputy problem, in AWS's IAM user guide)",
                    role.key
                ));
            }
            let policy = if is_wanted(What::Data) { data::policy(self, role)? } else { None };
            if trust.is_some() || policy.is_some() {
                documents.roles.push(RoleDocuments { role: role.clone(), trust, policy });
            }
            if is_wanted(What::Aoss) && (role.serves("aoss") || !self.calls("aoss")) {
                self.access(role, asked(What::Aoss), &mut documents)?;
            }
        }
        if is_wanted(What::Session) {
            self.sessions(wanted, asked(What::Session), &mut documents)?;
        }
        if is_wanted(What::Kms) {
            self.keys(wanted, asked(What::Kms), &mut documents)?;
        }
        if is_wanted(What::Scp) {
            if wanted.role_policies.is_empty() {
                documents.notes.push(
                    "scp: managed policies that tenants' roles carry, permissions boundaries among them, are protected where they are named \
                     (--role-policy ARN)"
                        .to_owned(),
                );
            }
            documents.control = Some(scp::policy(self, &wanted.role_policies)?);
        }
        if is_wanted(What::Data) {
            self.note_data(wanted, &mut documents.notes);
        }
        if is_wanted(What::Trust) {
            self.note_trust(&mut documents.notes);
        }
        if documents.base.is_some() && wanted.tenants.is_empty() && self.roles.iter().any(|role| role.is_of_one_tenant) {
            const ANY: &str =
                "the base policy lets Palisade assume whatever role has a name of this form; name the tenants (--tenant) for exact ones";
            documents.notes.push(ANY.to_owned());
        }
        Ok(documents)
    }

    fn access(&self, role: &Role<'c>, is_asked: bool, documents: &mut Documents<'c>) -> Result<(), IamError> {
        let is_divided = [&self.names.index, &self.names.collection].into_iter().flatten().any(has_tenant);
        if role.is_of_one_tenant && self.names.index.is_some() && !is_divided {
            return Err(IamError("--index: has no {tenant.id}, and every tenant's role would reach it".to_owned()));
        }
        match (role.is_of_one_tenant, is_asked) {
            (true, _) => documents.access.push(aoss::policy(&self.names, role)),
            (false, true) => return Err(IamError(format!("{}: {IS_SHARED}", role.key))),
            (false, false) => documents.notes.push(format!("{}: no data access policy is printed: {IS_SHARED}", role.key)),
        }
        Ok(())
    }

    fn sessions(&self, wanted: &'c Wanted, is_asked: bool, documents: &mut Documents<'c>) -> Result<(), IamError> {
        if wanted.format != Format::Json {
            return Err(IamError("session policies are sent with each call to STS, and are no resources; use --format json".to_owned()));
        }
        for role in &self.roles {
            let Some(template) = role.bounds.session_policy else {
                if is_asked {
                    documents.sessions.extend(data::session(self, role).map(|policy| (None, policy)));
                    documents.notes.push(format!(
                        "{}.session_policy is unset; what is printed is one that fits, as a template for {{inline: ...}}",
                        role.key
                    ));
                }
                continue;
            };
            if wanted.tenants.is_empty() {
                documents.notes.push(format!("{}.session_policy: give --tenant ID to see it as STS gets it", role.key));
            }
            for record in wanted.tenants.iter().filter(|record| role.tenant.is_none_or(|of| of.id == record.id)) {
                match template.render(record) {
                    Ok(policy) => documents.sessions.push((Some(record), Node::parse(&policy)?)),
                    Err(error) => documents.notes.push(format!("{}.session_policy for {}: {error}", role.key, record.id)),
                }
            }
        }
        Ok(())
    }

    fn keys(&self, wanted: &'c Wanted, is_asked: bool, documents: &mut Documents<'c>) -> Result<(), IamError> {
        // Whoever calls none of them has no use for a key, and nothing would bound it.
        let uses_keys = |role: &&Role<'_>| ["kms", "s3", "dynamodb"].iter().any(|service| role.serves(service));
        for role in self.roles.iter().filter(uses_keys) {
            if !role.is_of_one_tenant && role.tenant_tag.is_none() {
                let why = format!(
                    "{}: no session tag is {{tenant.id}} alone, so a key policy cannot tell tenants apart; add session_tags: {{TenantID: \
                     \"{{tenant.id}}\"}}",
                    role.key
                );
                if is_asked {
                    return Err(IamError(why));
                }
                documents.notes.push(why);
                continue;
            }
            let of_role = wanted.tenants.iter().filter(|record| role.tenant.is_none_or(|of| of.id == record.id));
            let of_role: Vec<_> = of_role.map(Some).collect();
            let whose = if of_role.is_empty() { vec![None] } else { of_role };
            documents.keys.extend(whose.into_iter().map(|record| (record, kms::policy(self, role, record))));
        }
        Ok(())
    }

    fn note_data(&self, wanted: &Wanted, notes: &mut Vec<String>) {
        for name in &wanted.table_indexes {
            notes.push(format!(
                "--table-index {name}: IAM looks at a written item's key in the table, and not at its keys in indexes. Whoever writes an item of a shared table \
                 can put it where other tenants' queries on a global index find it; take what such a query returns for its tenant's only by the table's key. \
                 A local index has the table's partition key"
            ));
        }
        let known = ["s3", "dynamodb", "aoss", "kms"];
        for service in self.services.iter().filter(|service| !known.contains(&service.as_str())) {
            notes.push(format!(
                "egress.services has {service}, for which no data statement is printed: add one to the role, for resources that have the \
                 tenant in their names, or bound it in session_policy"
            ));
        }
        for role in self.roles.iter().filter(|role| roles::tenant_in(role).is_none()) {
            let what = if role.bounds.policy_arns.is_empty() { "session_policy alone keeps" } else { "policies that are sent along keep" };
            notes.push(format!("{}: the role's data policy holds for all tenants together; {what} them apart", role.key));
        }
        for role in self.roles.iter().filter(|role| !role.bounds.policy_arns.is_empty()) {
            notes.push(format!(
                "{}.policy_arns: these managed policies bound each session and are not printed; they have to be in the account of the role",
                role.key
            ));
        }
    }

    fn note_trust(&self, notes: &mut Vec<String>) {
        for role in self.roles.iter().filter(|role| matches!(role.by, By::Callers(_))) {
            notes.push(format!(
                "{}: whoever has a token may ask STS too, which looks at its issuer, aud (azp, where the token has one) and tags, and at nothing else \
                 of identity.issuers",
                role.key
            ));
        }
    }
}

impl Names {
    fn read(wanted: &Wanted) -> Result<Self, IamError> {
        let all = |argument, names: &[String]| -> Result<Vec<Text>, IamError> {
            let names = names.iter().map(|name| data::read(argument, name, false)).collect::<Result<Vec<_>, _>>()?;
            if names.iter().any(has_tenant) && !names.iter().all(has_tenant) {
                return Err(IamError(format!(
                    "{argument}: either all of the names have {{tenant.id}}, or none; print the others by themselves"
                )));
            }
            Ok(names)
        };
        let tables = all("--table", &wanted.tables)?;
        let table_index = |name: &String| data::read_index(&tables, name);
        Ok(Self {
            buckets: all("--bucket", &wanted.buckets)?,
            prefix: data::read("--prefix", &wanted.prefix, true)?,
            table_indexes: wanted.table_indexes.iter().map(table_index).collect::<Result<_, _>>()?,
            tables,
            leading_key: data::read("--leading-key", &wanted.leading_key, true)?,
            collection: wanted.collection.as_deref().map(|name| data::read("--collection", name, false)).transpose()?,
            index: wanted.index.as_deref().map(|name| data::read("--index", name, false)).transpose()?,
        })
    }

    /// Whether the names themselves tell tenants apart.
    pub(super) fn divide(names: &[Text]) -> bool {
        names.iter().any(has_tenant)
    }

    /// The names, or that there should be one.
    pub(super) fn or(names: &[Text], open: Open) -> Vec<Text> {
        if names.is_empty() { vec![Text::open(open)] } else { names.to_vec() }
    }
}

/// The id of the collection that is at `https://ID.REGION.aoss.amazonaws.com`.
fn collection(service: &ServiceConfig) -> Option<&str> {
    let (id, place) = service.endpoint.as_ref()?.authority.host().split_once('.')?;
    place.split_once('.').filter(|(_, rest)| rest.starts_with("aoss.")).map(|_| id)
}

fn has_tenant(text: &Text) -> bool {
    text.names().any(|name| *name == Name::TenantId)
}
