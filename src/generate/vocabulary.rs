//! The operations that traces name, by kind of resource.
//!
//! The names come from `data/cts_vocab.tsv`, which is taken from the vendor's documents, and from
//! [`CLOUD`], which adds services and read-only names that the file lacks. Where no document gives
//! a name, the name is ours.

use super::pick::{Dice, Weighted};

const DOCUMENTED: &str = include_str!("../../data/cts_vocab.tsv");

/// What an operation does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Create,
    Update,
    Delete,
    Read,
    /// The operator signs in or out: the resource is the operator.
    Session,
    /// A sign-in that fails.
    FailedSession,
}

/// How a service's requests are built, and how its resources are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestShape {
    Server,
    Volume,
    Network,
    Cluster,
    Bucket,
    Identity,
    Money,
    Account,
    Other,
}

/// One operation.
#[derive(Debug)]
pub(super) struct ServiceOperation {
    /// The members of a trace that never change, without a comma at either end.
    pub(super) fixed: String,
    /// The trace name with a capital letter: the operation id of the service's API.
    pub(super) operation_id: String,
    pub(super) effect: Effect,
}

/// One kind of resource.
#[derive(Debug)]
pub(super) struct ResourceKind {
    pub(super) service: &'static str,
    pub(super) shape: RequestShape,
    /// The prefixes of its resources' names.
    pub(super) names: &'static [&'static str],
    operations: Vec<ServiceOperation>,
    operation_pick: Weighted,
}

/// All operations.
#[derive(Debug)]
pub(super) struct OperationCatalog {
    pub(super) kinds: Vec<ResourceKind>,
    kind_pick: Weighted,
}

/// A service: its share of the traces (of all weights), the shape of its requests, and the prefixes
/// of its resources' names.
type Service = (&'static str, u64, RequestShape, &'static [&'static str]);

const SERVICES: &[Service] = &[
    (
        "ECS",
        220,
        RequestShape::Server,
        &[
            "ecs-prod",
            "ecs-test",
            "web",
            "app-server",
            "测试服务器",
            "生产应用服务器",
            "gpu-train",
            "jump-host",
        ],
    ),
    (
        "VPC",
        120,
        RequestShape::Network,
        &["vpc-prod", "sg-web", "subnet-app", "vpc-default", "生产网络", "办公专线", "eip-nat"],
    ),
    ("EVS", 90, RequestShape::Volume, &["volume", "pvc-data", "disk-db", "系统盘", "数据盘"]),
    (
        "IAM",
        160,
        RequestShape::Identity,
        &["deploy-agent", "readonly", "ops-admin", "审计员", "财务只读", "ci-runner"],
    ),
    ("OBS", 80, RequestShape::Bucket, &["backup", "audit-logs", "media", "dw-raw", "static-site"]),
    (
        "CCE",
        90,
        RequestShape::Cluster,
        &["cce-prod", "华北生产集群", "华南测试集群", "dev-cluster", "payment"],
    ),
    (
        "RDS",
        60,
        RequestShape::Server,
        &["rds-order", "mysql-user", "pg-report", "订单数据库", "rds-test"],
    ),
    ("ELB", 40, RequestShape::Network, &["elb-web", "elb-api", "入口负载均衡"]),
    ("IMS", 18, RequestShape::Server, &["img-base", "golden-image", "基础镜像"]),
    ("DEW", 26, RequestShape::Identity, &["kms-db", "kms-obs", "alias-pay"]),
    ("AS", 22, RequestShape::Server, &["as-web", "as-worker"]),
    ("DNS", 16, RequestShape::Network, &["example.internal", "shop.example", "api.example"]),
    ("SMN", 14, RequestShape::Other, &["alarm-topic", "告警通知"]),
    ("CTS", 12, RequestShape::Other, &["system", "obs-data-tracker", "关键操作通知"]),
    ("FunctionGraph", 20, RequestShape::Other, &["fn-thumbnail", "fn-etl", "fn-审计归档"]),
    (
        "BillingCenter",
        15,
        RequestShape::Money,
        &["monthly-bill", "订单", "invoice", "resource-package"],
    ),
    (
        "PartnerCenter",
        14,
        RequestShape::Account,
        &["华创科技", "蓝岛贸易", "星海软件", "customer", "锐达网络"],
    ),
    ("EnterpriseMgmt", 6, RequestShape::Account, &["研发中心", "华东分公司", "finance", "member"]),
    ("AccountCenter", 5, RequestShape::Account, &["account", "企业账号"]),
    ("CostCenter", 7, RequestShape::Money, &["cost-report", "部门预算", "budget"]),
];

/// Service, resource type and trace names, separated by spaces; a kind may have several rows, here
/// and in the file.
const CLOUD: &[(&str, &str, &str)] = &[
    ("ECS", "ecs", "createServer deleteServer updateServer startServer stopServer rebootServer"),
    ("ECS", "ecs", "resizeServer attachVolume detachVolume listServersDetails showServer"),
    ("ECS", "serverPassword", "resetServerPassword"),
    (
        "VPC",
        "securityGroup",
        "createSecurity-group deleteSecurity-group updateSecurity-group listSecurityGroups",
    ),
    ("VPC", "securityGroupRule", "createSecurity-group-rule deleteSecurity-group-rule"),
    ("VPC", "vpc", "createVpc deleteVpc modifyVpc listVpcs showVpc"),
    ("VPC", "subnet", "createSubnet deleteSubnet modifySubnet listSubnets"),
    ("VPC", "eip", "createEip deleteEip bindEip unbindEip listPublicips"),
    ("EVS", "evs", "createVolume deleteVolume updateVolume extendVolume listVolumes showVolume"),
    ("EVS", "snapshot", "createSnapshot deleteSnapshot updateSnapshot listSnapshots"),
    ("IAM", "user", "listUsers showUser"),
    ("IAM", "agency", "listAgencies"),
    (
        "OBS",
        "bucket",
        "setBucketPolicy setBucketLifecycle setBucketTagging listBuckets getBucketAcl \
        getBucketPolicy",
    ),
    (
        "CCE",
        "cluster",
        "createCluster deleteCluster updateCluster upgradeCluster listClusters showCluster",
    ),
    ("CCE", "node", "createNode deleteNode updateNode listNodes showNode"),
    ("CCE", "nodepool", "createNodePool deleteNodePool updateNodePool listNodePools"),
    (
        "RDS",
        "instance",
        "createInstance deleteInstance modifyInstance restartInstance resizeFlavorOrVolume \
        listInstances",
    ),
    ("RDS", "instance", "showInstance"),
    ("RDS", "backup", "createManualSnapshot deleteManualSnapshot listBackups"),
    (
        "ELB",
        "loadbalancer",
        "createLoadbalancer deleteLoadbalancer updateLoadbalancer listLoadBalancers",
    ),
    ("ELB", "listener", "createListener deleteListener updateListener showListener"),
    ("IMS", "ims", "createImage deleteImage updateImage listImages"),
    (
        "DEW",
        "cmk",
        "createKey scheduleKeyDeletion enableKey disableKey createDataKey listKeys showKey",
    ),
    (
        "AS",
        "scaling_group",
        "createScalingGroup deleteScalingGroup modifyScalingGroup listScalingGroups",
    ),
    ("DNS", "recordset", "createRecordSet deleteRecordSet updateRecordSet listRecordSets"),
    ("SMN", "topic", "createTopic deleteTopic updateTopic listTopics"),
    ("CTS", "tracker", "listTrackers"),
    ("FunctionGraph", "Function", "listFunctions showFunctionConfig"),
    ("CostCenter", "budget", "listBudgets"),
    ("BillingCenter", "order", "listCustomerOrders showOrderDetail"),
];

/// Never drawn by itself: it is part of what happens when a customer leaves.
const LEAVING: &str = "applyUnbindOrSwitchCooperation";

impl OperationCatalog {
    /// Parses the tables.
    pub(super) fn new() -> Self {
        let mut named: Vec<(&Service, &str, Vec<&str>)> = Vec::new();
        let documented =
            DOCUMENTED.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
                let mut cells = line.split('\t');
                Some((cells.next()?, cells.next()?, cells.next()?))
            });
        for (service, resource_type, names) in documented.chain(CLOUD.iter().copied()) {
            let Some(service) = SERVICES.iter().find(|known| known.0 == service) else { continue };
            let names = names.split(' ').filter(|name| *name != LEAVING);
            match named
                .iter_mut()
                .find(|(known, kind, _)| known.0 == service.0 && *kind == resource_type)
            {
                Some((_, _, list)) => list.extend(names),
                None => named.push((service, resource_type, names.collect())),
            }
        }
        named.retain(|(_, _, names)| !names.is_empty());
        let weights: Vec<_> = (0..named.len()).map(|index| weight(&named, index)).collect();
        let kinds = named
            .into_iter()
            .map(|(service, resource_type, names)| {
                ResourceKind::new(service, resource_type, &names)
            })
            .collect();
        Self { kinds, kind_pick: Weighted::new(&weights) }
    }

    /// Draws a kind of resource and returns its index in `kinds`.
    pub(super) fn pick(&self, dice: &mut Dice) -> usize {
        self.kind_pick.pick(dice)
    }
}

/// Returns the weight of a kind: a service's share is split between its kinds by how many
/// operations each has.
fn weight(named: &[(&Service, &str, Vec<&str>)], index: usize) -> u64 {
    let (service, _, names) = &named[index];
    let all: usize =
        named.iter().filter(|other| other.0.0 == service.0).map(|other| other.2.len()).sum();
    service.1 * 1000 * names.len() as u64 / all as u64
}

impl ResourceKind {
    fn new(service: &Service, resource_type: &str, names: &[&str]) -> Self {
        let operations: Vec<_> =
            names.iter().map(|name| ServiceOperation::new(service, resource_type, name)).collect();
        let weights: Vec<_> =
            operations.iter().map(|operation| operation.weight(&operations)).collect();
        Self {
            service: service.0,
            shape: service.2,
            names: service.3,
            operations,
            operation_pick: Weighted::new(&weights),
        }
    }

    /// Draws an operation on this kind.
    pub(super) fn operation(&self, dice: &mut Dice) -> &ServiceOperation {
        &self.operations[self.operation_pick.pick(dice)]
    }
}

impl ServiceOperation {
    fn new(service: &Service, resource_type: &str, name: &str) -> Self {
        let effect = effect(name);
        let version = match service.2 {
            RequestShape::Network | RequestShape::Volume => "v3",
            RequestShape::Money | RequestShape::Account => "v2",
            _ => "v1",
        };
        let read_only = effect == Effect::Read;
        let fixed = format!(
            concat!(
                r#""trace_name":"{}","service_type":"{}","resource_type":"{}","#,
                r#""api_version":"{}","read_only":{}"#
            ),
            name, service.0, resource_type, version, read_only
        );
        let operation_id = name[..1].to_ascii_uppercase() + &name[1..];
        Self { fixed, operation_id, effect }
    }

    /// Returns the weight of the operation: operations with the same effect share that effect's
    /// part of the kind's traces.
    fn weight(&self, all: &[Self]) -> u64 {
        let same = all.iter().filter(|other| other.effect == self.effect).count() as u64;
        let share = match self.effect {
            Effect::Read => 310,
            Effect::Update => 400,
            Effect::Create => 110,
            Effect::Delete => 90,
            Effect::Session => 260,
            Effect::FailedSession => 12,
        };
        share * 1000 / same
    }
}

fn effect(name: &str) -> Effect {
    let starts =
        |beginnings: &[&str]| beginnings.iter().any(|beginning| name.starts_with(beginning));
    if name == "loginFailed" {
        Effect::FailedSession
    } else if starts(&["login", "logout", "changePassword", "createTokenBy"]) {
        Effect::Session
    } else if starts(&["list", "show", "get"]) {
        Effect::Read
    } else if starts(&["create"]) && !starts(&["createOrUpdate"]) {
        Effect::Create
    } else if name == "deleteBucket" || (starts(&["delete"]) && !starts(&["deleteBucket"])) {
        // The other deleteBucket… names remove a setting of a bucket that stays.
        Effect::Delete
    } else {
        Effect::Update
    }
}
