//! The limit, and what others offer for the same question.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use bonafide_policy::TenantId;
use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request, RestrictedExpression,
};

use crate::world::World;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Two hash maps and no reasons.
pub(crate) struct HashJoin {
    groups_of: Map<TenantId, HashSet<String, foldhash::fast::RandomState>>,
    tenants_of: Map<String, Vec<TenantId>>,
}

impl HashJoin {
    pub(crate) fn new(world: &World) -> Self {
        let mut join = Self { groups_of: Map::default(), tenants_of: Map::default() };
        for (group, tenant) in &world.rules {
            join.groups_of.entry(tenant.clone()).or_default().insert(group.clone());
            join.tenants_of.entry(group.clone()).or_default().push(tenant.clone());
        }
        join
    }

    pub(crate) fn allows(&self, world: &World, tenant: &TenantId) -> bool {
        let groups = self.groups_of.get(tenant);
        groups.is_some_and(|groups| {
            // All of the user's groups, as an answer with reasons has to.
            world.groups.iter().filter(|group| groups.contains(*group)).count() > 0
        })
    }

    pub(crate) fn all(&self, world: &World) -> Vec<TenantId> {
        let mut tenants: Vec<TenantId> = Vec::new();
        for group in &world.groups {
            tenants.extend(self.tenants_of.get(group).into_iter().flatten().cloned());
        }
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }
}

/// The types that Cedar's entities have, parsed once.
static KINDS: LazyLock<HashMap<&str, EntityTypeName>> = LazyLock::new(|| {
    let kinds = ["User", "Group", "Members", "Tenant", "Action"];
    kinds.into_iter().map(|kind| (kind, kind.parse().unwrap())).collect()
});

fn uid(kind: &str, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(KINDS.get(kind).unwrap().clone(), EntityId::new(id))
}

fn entity(uid: EntityUid, parents: HashSet<EntityUid>) -> Entity {
    Entity::new(uid, HashMap::new(), parents).unwrap()
}

pub(crate) fn ask(tenant: &TenantId) -> Request {
    let action = uid("Action", "use");
    let tenant = uid("Tenant", tenant.as_str());
    Request::new(uid("User", "alice"), action, tenant, Context::empty(), None).unwrap()
}

fn groups(world: &World) -> HashSet<EntityUid> {
    world.groups.iter().map(|group| uid("Group", group)).collect()
}

fn is_allowed(request: &Request, policies: &PolicySet, entities: &Entities) -> bool {
    let response = Authorizer::new().is_authorized(request, policies, entities);
    response.decision() == Decision::Allow
}

/// Cedar with one policy: each tenant has a set of members, and groups are in it.
pub(crate) struct CedarHierarchy {
    policies: PolicySet,
    entities: Entities,
    groups_of: Map<TenantId, HashSet<String>>,
}

impl CedarHierarchy {
    pub(crate) fn new(world: &World) -> Self {
        let policies =
            "permit(principal, action, resource) when { principal in resource.members };";
        let mut of_group: HashMap<&str, HashSet<EntityUid>> = HashMap::new();
        let mut groups_of: Map<TenantId, HashSet<String>> = Map::default();
        for (group, tenant) in &world.rules {
            of_group.entry(group).or_default().insert(uid("Members", tenant.as_str()));
            groups_of.entry(tenant.clone()).or_default().insert(group.clone());
        }
        let tenants = groups_of.keys().map(tenant_entity);
        let members =
            groups_of.keys().map(|at| entity(uid("Members", at.as_str()), HashSet::new()));
        let groups_and_user =
            of_group.into_iter().map(|(group, of)| entity(uid("Group", group), of));
        let user = [entity(uid("User", "alice"), groups(world))];
        let all: Vec<_> = tenants.chain(members).chain(groups_and_user).chain(user).collect();
        let entities = Entities::from_entities(all, None).unwrap();
        Self { policies: policies.parse().unwrap(), entities, groups_of }
    }

    pub(crate) fn allows(&self, request: &Request) -> bool {
        is_allowed(request, &self.policies, &self.entities)
    }

    /// With the entities that matter made for this call: the user, the groups and the tenant.
    pub(crate) fn allows_anew(&self, world: &World, tenant: &TenantId) -> bool {
        let of_tenant = self.groups_of.get(tenant);
        let group = |name: &String| {
            let is_member = of_tenant.is_some_and(|groups| groups.contains(name));
            let of = is_member.then(|| uid("Members", tenant.as_str())).into_iter().collect();
            entity(uid("Group", name), of)
        };
        let mut entities: Vec<_> = world.groups.iter().map(group).collect();
        entities.push(entity(uid("User", "alice"), groups(world)));
        entities.push(tenant_entity(tenant));
        entities.push(entity(uid("Members", tenant.as_str()), HashSet::new()));
        let entities = Entities::from_entities(entities, None).unwrap();
        is_allowed(&ask(tenant), &self.policies, &entities)
    }
}

fn tenant_entity(tenant: &TenantId) -> Entity {
    let members = RestrictedExpression::new_entity_uid(uid("Members", tenant.as_str()));
    let attributes = HashMap::from([("members".to_owned(), members)]);
    Entity::new(uid("Tenant", tenant.as_str()), attributes, HashSet::new()).unwrap()
}

/// Cedar with a policy for each rule.
pub(crate) struct CedarPerRule {
    policies: PolicySet,
    entities: Entities,
}

impl CedarPerRule {
    pub(crate) fn new(world: &World) -> Self {
        let rules = world.rules.iter().map(|(group, tenant)| {
            format!("permit(principal in Group::\"{group}\", action, resource == Tenant::\"{tenant}\");\n")
        });
        let policies = rules.collect::<String>().parse().unwrap();
        let mut entities: Vec<_> =
            world.groups.iter().map(|group| entity(uid("Group", group), HashSet::new())).collect();
        entities.push(entity(uid("User", "alice"), groups(world)));
        Self { policies, entities: Entities::from_entities(entities, None).unwrap() }
    }

    pub(crate) fn allows(&self, request: &Request) -> bool {
        is_allowed(request, &self.policies, &self.entities)
    }
}

const RBAC: &str = r#"
[request_definition]
r = sub, obj
[policy_definition]
p = sub, obj
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && g(r.sub, p.sub)
"#;

/// casbin with groups for roles.
pub(crate) struct CasbinRbac(Enforcer);

impl CasbinRbac {
    pub(crate) fn new(world: &World) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let model = DefaultModel::from_str(RBAC).await.unwrap();
            let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await.unwrap();
            let rules = world.rules.iter().map(|(group, at)| vec![group.clone(), at.to_string()]);
            enforcer.add_policies(rules.collect()).await.unwrap();
            let member = |group: &String| vec!["alice".to_owned(), group.clone()];
            enforcer
                .add_grouping_policies(world.groups.iter().map(member).collect())
                .await
                .unwrap();
            Self(enforcer)
        })
    }

    pub(crate) fn allows(&self, tenant: &TenantId) -> bool {
        self.0.enforce(("alice", tenant.as_str())).unwrap()
    }
}
