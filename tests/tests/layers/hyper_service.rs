use std::convert::Infallible;
use std::net::SocketAddr;

use bonafide_claims::VerifiedUser;
use bonafide_testkit::Issuer;
use bonafide_tower::{AuthenticateLayer, Authenticator};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{Layer, service_fn};

/// The layer put the user into the extensions, and took the token out of the headers.
async fn who(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let user = request.extensions().get::<VerifiedUser>().expect("the layer is in front");
    let token = request.headers().contains_key("authorization");
    Ok(Response::new(format!("{} {token}", user.subject().as_str())))
}

async fn start(authenticator: Authenticator) -> SocketAddr {
    let service = AuthenticateLayer::new(authenticator).layer(service_fn(who));
    let service = TowerToHyperService::new(service);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
            tokio::spawn(connection);
        }
    });
    address
}

#[tokio::test]
async fn a_hyper_service_knows_its_users_and_refuses_others() {
    let issuer = Issuer::new("https://idp.example");
    let address = start(Authenticator::bearer(issuer.verifier())).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("http://{address}/");
    let refused = client.get(&url).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let stranger = Issuer::new("https://idp.example").user("ada").token();
    let refused = client.get(&url).bearer_auth(stranger).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let token = issuer.user("ada").token();
    let served = client.get(&url).bearer_auth(token).send().await.expect("an answer");
    assert_eq!(served.text().await.expect("a text"), "ada false");
}
