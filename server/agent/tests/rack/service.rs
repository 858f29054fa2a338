//! The rack's agent service: redeems one token, gives its order after every hello, and the order to leave after `written`.

use std::{net::SocketAddr, sync::Arc};

use futures::{StreamExt, stream::BoxStream};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, transport::Server};
use underlay_proto::v1::{
    self, AgentMessage, Order, agent_message::Message, agent_service_server, order, report,
};

use super::{
    Heard, Shared, TOKEN,
    tls::{Proven, Stream},
};

/// What every report is called here.
const REPORT: &str = "a report";

struct Service(Arc<Shared>);

pub(super) async fn serve(shared: Arc<Shared>, address: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(shared.authority.server());
    let (streams, incoming) = mpsc::channel::<std::io::Result<Stream>>(8);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = streams.send(Ok(Stream(stream))).await;
            }
        }
    });
    let service = agent_service_server::AgentServiceServer::new(Service(shared));
    tokio::spawn(async move {
        let _ =
            Server::builder().add_service(service).serve_with_incoming(ReceiverStream::new(incoming)).await;
    });
    address
}

#[tonic::async_trait]
impl agent_service_server::AgentService for Service {
    async fn redeem(
        &self,
        request: Request<v1::RedeemRequest>,
    ) -> Result<Response<v1::RedeemResponse>, Status> {
        let request = request.into_inner();
        if request.token != TOKEN {
            return Err(Status::permission_denied("the token is not known"));
        }
        let certificate =
            self.0.authority.sign(&request.csr).ok_or_else(|| Status::invalid_argument("no request"))?;
        self.0.hear(Heard::Redeemed);
        Ok(Response::new(v1::RedeemResponse {
            certificate,
            host_id: "host-1".into(),
            epoch: self.0.epoch,
            takes_log: false,
        }))
    }

    async fn discover(
        &self,
        request: Request<v1::DiscoverRequest>,
    ) -> Result<Response<v1::DiscoverResponse>, Status> {
        let request = request.into_inner();
        // Whoever says no more than the name of its report is known, and there is work for it.
        let token = if request.report == REPORT { TOKEN } else { "" };
        self.0.hear(Heard::Discovered(Box::new(request)));
        let (token, report) = (token.into(), REPORT.into());
        Ok(Response::new(v1::DiscoverResponse { again_seconds: 1, token, report }))
    }

    async fn adopt(&self, request: Request<v1::AdoptRequest>) -> Result<Response<v1::AdoptResponse>, Status> {
        let request = request.into_inner();
        if *self.0.forgotten.borrow() || !["", TOKEN].contains(&request.token.as_str()) {
            return Err(Status::permission_denied("nobody by that key"));
        }
        let certificate =
            self.0.authority.sign(&request.csr).ok_or_else(|| Status::invalid_argument("no request"))?;
        self.0.hear(Heard::Adopted);
        let (host_id, host_name) = ("host-1".into(), "db-1".into());
        Ok(Response::new(v1::AdoptResponse { certificate, host_id, host_name, renew_seconds: 3600 }))
    }

    type ResideStream = BoxStream<'static, Result<v1::ResidentOrder, Status>>;

    async fn reside(
        &self,
        request: Request<Streaming<v1::ResidentReport>>,
    ) -> Result<Response<Self::ResideStream>, Status> {
        if !request.extensions().get::<Proven>().is_some_and(|proven| proven.0) {
            return Err(Status::unauthenticated("no client certificate"));
        }
        if *self.0.forgotten.borrow() {
            return Err(Status::permission_denied("forgotten"));
        }
        let shared = Arc::clone(&self.0);
        let (orders, stream) = mpsc::channel(4);
        let mut reports = request.into_inner();
        tokio::spawn(async move {
            while let Some(Ok(report)) = reports.next().await {
                shared.hear(Heard::Resident(Box::new(report)));
            }
        });
        let mut forgotten = self.0.forgotten.subscribe();
        tokio::spawn(async move {
            // An order of a later release means nothing to this agent.
            let _ = orders.send(Ok(v1::ResidentOrder { order: None })).await;
            if forgotten.wait_for(|it| *it).await.is_ok() {
                let order = v1::resident_order::Order::Forgotten(v1::resident_order::Forgotten {});
                let _ = orders.send(Ok(v1::ResidentOrder { order: Some(order) })).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream).boxed()))
    }

    type WorkStream = BoxStream<'static, Result<Order, Status>>;

    async fn work(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        if !request.extensions().get::<Proven>().is_some_and(|proven| proven.0) {
            return Err(Status::unauthenticated("no client certificate"));
        }
        let shared = Arc::clone(&self.0);
        let (orders, stream) = mpsc::channel(4);
        let mut messages = request.into_inner();
        tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                let orders_now = match message.message {
                    Some(Message::Hello(hello)) => {
                        shared.hear(Heard::Hello(Box::new(hello)));
                        let foreign = shared.foreign_epoch.map(|epoch| (epoch, leave(v1::Leave::PowerOff)));
                        foreign.into_iter().chain([(shared.epoch, shared.order.clone())]).collect()
                    }
                    Some(Message::Report(v1::Report { stage: Some(stage), .. })) => {
                        let written = matches!(stage, report::Stage::Written(_));
                        shared.hear(Heard::Report(stage));
                        if written { vec![(shared.epoch, leave(v1::Leave::PowerOff))] } else { Vec::new() }
                    }
                    _ => Vec::new(),
                };
                for (epoch, task) in orders_now {
                    let _ = orders.send(Ok(Order { epoch, task: Some(task) })).await;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream).boxed()))
    }
}

fn leave(how: v1::Leave) -> order::Task {
    order::Task::Leave(how.into())
}
