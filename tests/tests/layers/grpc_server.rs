use bonafide_claims::VerifiedUser;
use bonafide_testkit::Issuer;
use bonafide_tower::{AuthenticateLayer, Authenticator};
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::server::health_reporter;

/// gRPC services find the user in the extensions too. This one is for Ada only.
fn for_ada(request: Request<()>) -> Result<Request<()>, Status> {
    let user = request.extensions().get::<VerifiedUser>();
    match user.map(|user| user.subject().as_str()) {
        Some("ada") => Ok(request),
        _ => Err(Status::permission_denied("not for you")),
    }
}

async fn start(authenticator: Authenticator) -> HealthClient<Channel> {
    let (_, health) = health_reporter();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = Server::builder()
        .layer(AuthenticateLayer::new(authenticator))
        .add_service(InterceptedService::new(health, for_ada))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(server);
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
    HealthClient::new(endpoint.connect().await.expect("a connection"))
}

#[tokio::test]
async fn a_grpc_server_knows_its_users_and_refuses_others() {
    let issuer = Issuer::new("https://idp.example");
    let mut client = start(Authenticator::bearer(issuer.verifier())).await;
    let mut check = async |token: Option<String>| {
        let mut request = Request::new(HealthCheckRequest::default());
        if let Some(token) = token {
            let token = format!("Bearer {token}").parse().expect("a header");
            request.metadata_mut().insert("authorization", token);
        }
        client.check(request).await.map(drop).map_err(|status| status.code())
    };
    assert_eq!(check(None).await, Err(Code::Unauthenticated));
    let stranger = Issuer::new("https://idp.example").user("ada").token();
    assert_eq!(check(Some(stranger)).await, Err(Code::Unauthenticated));
    assert_eq!(check(Some(issuer.user("bob").token())).await, Err(Code::PermissionDenied));
    assert_eq!(check(Some(issuer.user("ada").token())).await, Ok(()));
}
