//! The published schema, read: what policies are validated against, and its names at hand.

use std::{collections::HashMap, fmt, sync::LazyLock};

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, Schema, Validator};

use super::{entities::KINDS, schema};

/// Why policies cannot be asked.
pub(super) type Unsaid = &'static str;

/// Types and actions of the schema.
pub(super) struct Names {
    types: HashMap<&'static str, EntityTypeName>,
    /// By id: `s3:GetObject`. Each knows the groups that it is in.
    actions: HashMap<String, Entity>,
    hierarchy: Entities,
}

/// The schema and its names.
pub(super) struct Published {
    pub(super) names: Names,
    pub(super) validator: Validator,
    #[cfg(test)]
    pub(super) schema: Schema,
}

/// Types that are no kinds of things.
const TYPES: [&str; 5] = ["Role", "Service", "Tenant", "Token", "User"];

impl Published {
    /// It is read once.
    ///
    /// # Errors
    /// A fault of ours: it is no schema.
    pub(super) fn get() -> Result<&'static Self, &'static str> {
        static PUBLISHED: LazyLock<Result<Published, String>> = LazyLock::new(Published::read);
        PUBLISHED.as_ref().map_err(String::as_str)
    }

    fn read() -> Result<Self, String> {
        let (schema, _) = Schema::from_cedarschema_str(&schema::text()).map_err(|error| error.to_string())?;
        let mut types = HashMap::new();
        for name in TYPES.into_iter().chain(KINDS.iter().map(|kind| kind.entity)) {
            types.insert(name, format!("Palisade::{name}").parse().map_err(|_| format!("{name} is no name of a type"))?);
        }
        let entities = schema.action_entities().map_err(|error| error.to_string())?;
        let actions = entities.iter().map(|action| (action.uid().id().unescaped().to_owned(), action.clone())).collect();
        Ok(Self {
            names: Names { types, actions, hierarchy: entities },
            #[cfg(test)]
            schema: schema.clone(),
            validator: Validator::new(schema),
        })
    }
}

impl Names {
    /// The entity of a type that is called `id`.
    pub(super) fn uid(&self, entity: &str, id: &str) -> Result<EntityUid, Unsaid> {
        let of = self.types.get(entity).ok_or("a type that the schema does not have")?;
        Ok(EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id)))
    }

    /// The action that is called `id`.
    pub(super) fn action(&self, id: &str) -> Option<&Entity> {
        self.actions.get(id)
    }
}

impl Names {
    /// Every action, and every group of them.
    pub(super) fn actions(&self) -> impl Iterator<Item = (&str, EntityUid)> {
        self.actions.iter().map(|(id, entity)| (id.as_str(), entity.uid()))
    }

    pub(super) fn types(&self) -> impl Iterator<Item = &EntityTypeName> {
        self.types.values()
    }

    /// Whether an action is a group, or in it.
    pub(super) fn is_in(&self, action: &EntityUid, group: &EntityUid) -> bool {
        action == group || self.hierarchy.is_ancestor_of(group, action)
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Published")
    }
}
