//! All 36 calls, each to its place. Those this SDK does not offer answer Unimplemented, which every host accepts.

use tokio_stream::Empty;
use tonic::{Request, Response, Status, Streaming};

use super::{Service, answer::answer};
use crate::{
    Provider,
    proto::tfplugin6::{self as pb, provider_server},
};

type Answered<T> = Result<Response<T>, Status>;
type Events<T> = Empty<Result<T, Status>>;

fn not_offered<T>(call: &'static str) -> Result<T, Status> {
    Err(Status::unimplemented(format!("{call} is not offered by this provider")))
}

#[tonic::async_trait]
impl<P: Provider> provider_server::Provider for Service<P> {
    async fn get_metadata(
        &self,
        _request: Request<pb::get_metadata::Request>,
    ) -> Answered<pb::get_metadata::Response> {
        answer("GetMetadata", "provider", async { self.metadata() }).await
    }

    async fn get_provider_schema(
        &self,
        _request: Request<pb::get_provider_schema::Request>,
    ) -> Answered<pb::get_provider_schema::Response> {
        answer("GetProviderSchema", "provider", async { self.schema() }).await
    }

    async fn get_resource_identity_schemas(
        &self,
        _request: Request<pb::get_resource_identity_schemas::Request>,
    ) -> Answered<pb::get_resource_identity_schemas::Response> {
        answer("GetResourceIdentitySchemas", "provider", async { self.identity_schemas() }).await
    }

    async fn get_functions(
        &self,
        _request: Request<pb::get_functions::Request>,
    ) -> Answered<pb::get_functions::Response> {
        answer("GetFunctions", "provider", async { self.functions() }).await
    }

    async fn validate_provider_config(
        &self,
        request: Request<pb::validate_provider_config::Request>,
    ) -> Answered<pb::validate_provider_config::Response> {
        let request = request.into_inner();
        answer("ValidateProviderConfig", "provider", async { self.validate_provider(&request) }).await
    }

    async fn validate_resource_config(
        &self,
        request: Request<pb::validate_resource_config::Request>,
    ) -> Answered<pb::validate_resource_config::Response> {
        let request = request.into_inner();
        answer("ValidateResourceConfig", &request.type_name, async { self.validate_resource(&request) }).await
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<pb::validate_data_resource_config::Request>,
    ) -> Answered<pb::validate_data_resource_config::Response> {
        let request = request.into_inner();
        answer("ValidateDataResourceConfig", &request.type_name, async {
            self.validate_data_source(&request)
        })
        .await
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<pb::validate_ephemeral_resource_config::Request>,
    ) -> Answered<pb::validate_ephemeral_resource_config::Response> {
        let request = request.into_inner();
        answer("ValidateEphemeralResourceConfig", &request.type_name, async {
            self.validate_ephemeral(&request)
        })
        .await
    }

    async fn configure_provider(
        &self,
        request: Request<pb::configure_provider::Request>,
    ) -> Answered<pb::configure_provider::Response> {
        let request = request.into_inner();
        answer("ConfigureProvider", "provider", self.configure(&request)).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<pb::plan_resource_change::Request>,
    ) -> Answered<pb::plan_resource_change::Response> {
        let request = request.into_inner();
        answer("PlanResourceChange", &request.type_name, self.plan(&request)).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<pb::apply_resource_change::Request>,
    ) -> Answered<pb::apply_resource_change::Response> {
        let request = request.into_inner();
        answer("ApplyResourceChange", &request.type_name, self.apply(&request)).await
    }

    async fn read_resource(
        &self,
        request: Request<pb::read_resource::Request>,
    ) -> Answered<pb::read_resource::Response> {
        let request = request.into_inner();
        answer("ReadResource", &request.type_name, self.read(&request)).await
    }

    async fn read_data_source(
        &self,
        request: Request<pb::read_data_source::Request>,
    ) -> Answered<pb::read_data_source::Response> {
        let request = request.into_inner();
        answer("ReadDataSource", &request.type_name, self.read_data(&request)).await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<pb::upgrade_resource_state::Request>,
    ) -> Answered<pb::upgrade_resource_state::Response> {
        let request = request.into_inner();
        answer("UpgradeResourceState", &request.type_name, self.upgrade_state(&request)).await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<pb::upgrade_resource_identity::Request>,
    ) -> Answered<pb::upgrade_resource_identity::Response> {
        let request = request.into_inner();
        answer("UpgradeResourceIdentity", &request.type_name, async { self.upgrade_identity(&request) }).await
    }

    async fn import_resource_state(
        &self,
        request: Request<pb::import_resource_state::Request>,
    ) -> Answered<pb::import_resource_state::Response> {
        let request = request.into_inner();
        answer("ImportResourceState", &request.type_name, self.import(&request)).await
    }

    async fn move_resource_state(
        &self,
        request: Request<pb::move_resource_state::Request>,
    ) -> Answered<pb::move_resource_state::Response> {
        let request = request.into_inner();
        answer("MoveResourceState", &request.target_type_name, self.move_state(&request)).await
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<pb::open_ephemeral_resource::Request>,
    ) -> Answered<pb::open_ephemeral_resource::Response> {
        let request = request.into_inner();
        answer("OpenEphemeralResource", &request.type_name, self.open(&request)).await
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<pb::renew_ephemeral_resource::Request>,
    ) -> Answered<pb::renew_ephemeral_resource::Response> {
        let request = request.into_inner();
        answer("RenewEphemeralResource", &request.type_name, self.renew(&request)).await
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<pb::close_ephemeral_resource::Request>,
    ) -> Answered<pb::close_ephemeral_resource::Response> {
        let request = request.into_inner();
        answer("CloseEphemeralResource", &request.type_name, self.close(&request)).await
    }

    async fn call_function(
        &self,
        request: Request<pb::call_function::Request>,
    ) -> Answered<pb::call_function::Response> {
        Ok(Response::new(self.call(&request.into_inner())))
    }

    async fn stop_provider(
        &self,
        _request: Request<pb::stop_provider::Request>,
    ) -> Answered<pb::stop_provider::Response> {
        Ok(Response::new(self.request_stop()))
    }

    async fn generate_resource_config(
        &self,
        _request: Request<pb::generate_resource_config::Request>,
    ) -> Answered<pb::generate_resource_config::Response> {
        not_offered("GenerateResourceConfig")
    }

    async fn validate_list_resource_config(
        &self,
        _request: Request<pb::validate_list_resource_config::Request>,
    ) -> Answered<pb::validate_list_resource_config::Response> {
        not_offered("ValidateListResourceConfig")
    }

    async fn validate_state_store_config(
        &self,
        _request: Request<pb::validate_state_store::Request>,
    ) -> Answered<pb::validate_state_store::Response> {
        not_offered("ValidateStateStoreConfig")
    }

    async fn configure_state_store(
        &self,
        _request: Request<pb::configure_state_store::Request>,
    ) -> Answered<pb::configure_state_store::Response> {
        not_offered("ConfigureStateStore")
    }

    async fn lock_state(
        &self,
        _request: Request<pb::lock_state::Request>,
    ) -> Answered<pb::lock_state::Response> {
        not_offered("LockState")
    }

    async fn unlock_state(
        &self,
        _request: Request<pb::unlock_state::Request>,
    ) -> Answered<pb::unlock_state::Response> {
        not_offered("UnlockState")
    }

    async fn get_states(
        &self,
        _request: Request<pb::get_states::Request>,
    ) -> Answered<pb::get_states::Response> {
        not_offered("GetStates")
    }

    async fn delete_state(
        &self,
        _request: Request<pb::delete_state::Request>,
    ) -> Answered<pb::delete_state::Response> {
        not_offered("DeleteState")
    }

    async fn plan_action(
        &self,
        _request: Request<pb::plan_action::Request>,
    ) -> Answered<pb::plan_action::Response> {
        not_offered("PlanAction")
    }

    async fn validate_action_config(
        &self,
        _request: Request<pb::validate_action_config::Request>,
    ) -> Answered<pb::validate_action_config::Response> {
        not_offered("ValidateActionConfig")
    }

    type ListResourceStream = Events<pb::list_resource::Event>;

    async fn list_resource(
        &self,
        _request: Request<pb::list_resource::Request>,
    ) -> Answered<Self::ListResourceStream> {
        not_offered("ListResource")
    }

    type ReadStateBytesStream = Events<pb::read_state_bytes::Response>;

    async fn read_state_bytes(
        &self,
        _request: Request<pb::read_state_bytes::Request>,
    ) -> Answered<Self::ReadStateBytesStream> {
        not_offered("ReadStateBytes")
    }

    type InvokeActionStream = Events<pb::invoke_action::Event>;

    async fn invoke_action(
        &self,
        _request: Request<pb::invoke_action::Request>,
    ) -> Answered<Self::InvokeActionStream> {
        not_offered("InvokeAction")
    }

    async fn write_state_bytes(
        &self,
        _request: Request<Streaming<pb::write_state_bytes::RequestChunk>>,
    ) -> Answered<pb::write_state_bytes::Response> {
        not_offered("WriteStateBytes")
    }
}
