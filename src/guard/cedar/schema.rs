//! The published schema: what policies can speak of, in Cedar's own syntax.
//!
//! Made from where requests are read: entities from the [kinds of things](super::entities::KINDS) that the guard's readers know, actions from the
//! [vocabulary](crate::aws::action::vocabulary) of the services that they read. `config/palisade.cedarschema` is a copy, which a test keeps the same.

use std::{collections::BTreeMap, fmt::Write as _};

use super::entities::{KINDS, Kind, Shape};
use crate::aws::action::vocabulary::{self, About, Level};

/// The action of requests to services that are not read here.
pub(super) const OTHER: &str = "other";

const HEAD: &str = r#"// What policies of guard.cedar can speak of. Printed by `palisade schema --cedar`; see guide/cedar.md.

namespace Palisade {
  // Who asks. There is no request of a tenant without a user.

  // A role of the user in the tenant.
  entity Role;

  // The tenant's record. Its attributes are tags: principal.tenant.getTag("shard").
  entity Tenant = {
    id: String,
    tier?: String,
    cell?: String,
    account?: String,
    region?: String,
    kms_key?: String,
  } tags String;

  // "ISSUER#SUBJECT". The attributes that a directory of users has are tags.
  entity User in [Role, Tenant] = {
    subject: String,
    issuer: String,
    roles: Set<String>,
    tenant: Tenant,
  } tags String;

  // What was proved. Claims are tags, each a set of texts: context.token.getTag("groups").contains("x"). Claims within claims go by their JSON pointers.
  entity Token = {
    scopes: Set<String>,
  } tags Set<String>;

  type Context = {
    listener: String,                                                // "egress"
    now: datetime,
    hour: Long,                                                      // 0 to 23, UTC
    minute: Long,
    weekday: Long,                                                   // 1, Monday, to 7, Sunday; UTC
    source?: ipaddr,                                                 // of the application's connection; none over a Unix socket
    proof: String,                                                   // "passport", "token", "deferred" or "certificate"
    passport?: {request: String},                                    // the id of the request that it belongs to
    deferred?: {id: String, purpose: String, request: String},
    token: Token,
    service: String,                                                 // the key in egress.services
    region: String,
    operation?: String,                                              // the API's name, where the request can be for one operation alone
    prefix?: String,                                                 // of a listing of objects: how their keys begin
  };

  // What is asked for. Each thing is in its service, an object in its bucket, items in their table.

  // A service of egress.services, by its key: of requests that are about nothing in particular, and of services that are not read.
  entity Service = {
    name: String,
    region: String,
  };
"#;

/// All of it.
pub(crate) fn text() -> String {
    let mut text = HEAD.to_owned();
    KINDS.iter().for_each(|kind| entity(&mut text, kind));
    text.push_str(
        "\n  // Groups of actions: how AWS classes them (\"access level\" in the Service Authorization Reference), and by service.\n",
    );
    for level in Level::ALL {
        line(&mut text, format_args!("  action \"{}\";", level.as_str()));
    }
    vocabulary::all().keys().for_each(|service| line(&mut text, format_args!("  action \"{service}\";")));
    text.push_str("\n  // Whatever is asked of another service than those below. context.operation says what, where that is known.\n");
    line(&mut text, format_args!("  action \"{OTHER}\" appliesTo {{principal: [User], resource: [Service], context: Context}};"));
    text.push_str("\n  // IAM's actions.\n");
    for (service, actions) in vocabulary::all() {
        alike(service, actions).iter().for_each(|(group, names)| declared(&mut text, service, group, names));
    }
    text.push_str("}\n");
    text
}

/// Actions that are declared together.
type Group = (Option<Level>, Vec<&'static str>);

/// The actions of a service by their level and by what they are done with.
fn alike(service: &str, actions: &BTreeMap<&'static str, About>) -> BTreeMap<Group, Vec<&'static str>> {
    let mut groups: BTreeMap<Group, Vec<&'static str>> = BTreeMap::new();
    for (name, about) in actions {
        groups.entry((about.level, resources(service, about))).or_default().push(name);
    }
    groups
}

/// Types of what an action is done with.
fn resources(service: &str, about: &About) -> Vec<&'static str> {
    let fits = |kind: &&Kind| match kind.shape {
        Shape::Bucket => about.on_buckets,
        Shape::Object => about.on_objects,
        _ => true,
    };
    let of_service = KINDS.iter().filter(|kind| kind.services.contains(&service));
    of_service.filter(fits).map(|kind| kind.entity).chain(["Service"]).collect()
}

fn declared(text: &mut String, service: &str, (level, resources): &Group, names: &[&'static str]) {
    let names: Vec<String> = names.iter().map(|name| format!("    \"{service}:{name}\"")).collect();
    let groups: Vec<String> = level.iter().map(|level| format!("\"{}\"", level.as_str())).chain([format!("\"{service}\"")]).collect();
    line(text, format_args!("\n  action\n{}", names.join(",\n")));
    line(text, format_args!("  in [{}]", groups.join(", ")));
    line(text, format_args!("  appliesTo {{principal: [User], resource: [{}], context: Context}};", resources.join(", ")));
}

fn entity(text: &mut String, kind: &Kind) {
    line(text, format_args!("\n  // {}", kind.about));
    line(text, format_args!("  entity {} in [{}] = {{", kind.entity, kind.parent()));
    for (name, form) in kind.attributes() {
        line(text, format_args!("    {name}: {form},"));
    }
    line(text, format_args!("  }}{};", if kind.has_tags() { " tags String" } else { "" }));
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}
