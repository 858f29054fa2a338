//! Which call needs what. A call that is not named here is refused.

use super::Role;

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: what the caller brings along is checked by the call itself.
    Public,
    /// The certificate of an agent.
    Agent,
    /// The certificate of an agent that lives on an installed system.
    Resident,
    /// A token of this role or a mightier one.
    Role(Role),
}

/// What the call at an HTTP path (`/underlay.v1.HostService/Put`) needs; `None` where nobody may call it.
pub fn access(path: &str) -> Option<Access> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    match service.strip_prefix("underlay.v1.") {
        Some(service) => ours(service, method),
        None => (service == "grpc.health.v1.Health").then_some(Access::Public),
    }
}

fn ours(service: &str, method: &str) -> Option<Access> {
    let role = match (service, method) {
        ("AgentService", "Redeem" | "Discover" | "Adopt") => return Some(Access::Public),
        ("AgentService", "Work") => return Some(Access::Agent),
        ("AgentService", "Reside") => return Some(Access::Resident),

        ("ServerService", "Info") => Role::Viewer,
        ("ServerService", "CreateToken" | "ListTokens" | "RevokeToken" | "Backup") => Role::Admin,
        ("BrakeService", "Freeze" | "Unfreeze") => Role::Operator,
        ("BrakeService", "List") => Role::Viewer,
        ("BrakeService", "Resume") => Role::Admin,
        ("AuditService", "List" | "Verify") => Role::Admin,

        // A login of a BMC in the clear.
        ("HostService", "OwnPasswords") => Role::Admin,
        (
            "HostService",
            "Power" | "Confirm" | "Tend" | "ListDiscovered" | "OfferAdoption" | "Check" | "Screenshot",
        ) => Role::Operator,
        (
            "SiteService" | "PoolService" | "HostService" | "NetworkService" | "CredentialService"
            | "ProfileService" | "StepService",
            "Put" | "Delete" | "Preview",
        ) => Role::Operator,
        ("ImageService", "Put" | "Delete" | "Preview" | "Upload") => Role::Tenant,
        ("MachineService", "Put" | "Delete" | "Preview") => Role::Tenant,
        (
            "PoolService" | "HostService" | "NetworkService" | "CredentialService" | "ImageService"
            | "MachineService" | "SiteService" | "ProfileService" | "StepService",
            "Get" | "BatchGet" | "List" | "Watch",
        ) => Role::Viewer,

        // What a serial port says may be anything.
        ("OperationService", "Cancel" | "Logs") => Role::Tenant,
        ("OperationService", "Get" | "List" | "Watch" | "Explain") => Role::Viewer,
        _ => return None,
    };
    Some(Access::Role(role))
}

/// Does a call of users change anything, so that it belongs into the audit? What is not known to only read does.
pub fn is_mutating(path: &str) -> bool {
    let Some((service, method)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
        return false;
    };
    let Some(service) = service.strip_prefix("underlay.v1.") else { return false };
    let reads = matches!(
        method,
        "Get"
            | "BatchGet"
            | "List"
            | "Watch"
            | "Preview"
            | "Explain"
            | "Info"
            | "Verify"
            | "ListTokens"
            | "ListDiscovered"
            | "Logs"
    );
    service != "AgentService" && !reads && access(path).is_some()
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;
    use underlay_proto::FILE_DESCRIPTOR_SET;

    use super::*;

    #[test]
    fn every_call_of_the_api_is_in_the_table() {
        let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let mut seen = 0;
        for service in files.file.iter().flat_map(|file| &file.service) {
            for method in &service.method {
                let path = format!("/underlay.v1.{}/{}", service.name(), method.name());
                assert!(access(&path).is_some(), "{path}");
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen}");
    }

    #[test]
    fn what_is_not_in_the_table_is_nobodys() {
        for path in [
            "",
            "/",
            "/underlay.v1.HostService",
            "/underlay.v1.HostService/",
            "/underlay.v1.HostService/Erase",
            "/underlay.v1.HostService/Put/",
            "//underlay.v1.HostService/Put",
            "/underlay.v2.HostService/Put",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(access(path), None, "{path}");
        }
    }

    #[test]
    fn only_the_agents_way_in_is_open_to_everybody() {
        let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let open: Vec<_> = files
            .file
            .iter()
            .flat_map(|file| &file.service)
            .flat_map(|service| service.method.iter().map(move |method| (service.name(), method.name())))
            .filter(|(service, method)| {
                access(&format!("/underlay.v1.{service}/{method}")) == Some(Access::Public)
            })
            .collect();
        assert_eq!(open, ["Redeem", "Discover", "Adopt"].map(|call| ("AgentService", call)));
    }

    #[test]
    fn just_these_calls_are_audited() {
        let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let services = files.file.iter().flat_map(|file| &file.service);
        let mut audited: Vec<_> = services
            .flat_map(|service| {
                service.method.iter().map(move |method| format!("{}/{}", service.name(), method.name()))
            })
            .filter(|path| is_mutating(&format!("/underlay.v1.{path}")))
            .filter(|path| !path.ends_with("/Put") && !path.ends_with("/Delete"))
            .collect();
        audited.sort();
        let expected = [
            "BrakeService/Freeze",
            "BrakeService/Resume",
            "BrakeService/Unfreeze",
            "HostService/Check",
            "HostService/Confirm",
            "HostService/OfferAdoption",
            "HostService/OwnPasswords",
            "HostService/Power",
            "HostService/Screenshot",
            "HostService/Tend",
            "ImageService/Upload",
            "OperationService/Cancel",
            "ServerService/Backup",
            "ServerService/CreateToken",
            "ServerService/RevokeToken",
        ];
        assert_eq!(audited, expected);
    }
}
