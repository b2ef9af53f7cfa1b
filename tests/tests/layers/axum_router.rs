use axum::Router;
use axum::routing::get;
use bonafide_testkit::{Issuer, Server};
use bonafide_tower::{AuthenticateLayer, Authenticator, User};
use http::StatusCode;
use tokio::net::TcpListener;

/// A handler asks for the user by the type of its argument.
async fn who(User(user): User) -> String {
    user.subject().as_str().to_owned()
}

#[tokio::test]
async fn an_axum_router_knows_its_users_and_refuses_others() {
    let issuer = Issuer::new("https://idp.example");
    let layer = AuthenticateLayer::new(Authenticator::bearer(issuer.verifier()));
    let router = Router::new().route("/", get(who)).layer(layer);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let server = Server::start_on(listener, router);

    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let refused = client.get(server.origin()).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    let token = issuer.user("ada").token();
    let served = client.get(server.origin()).bearer_auth(token).send().await.expect("an answer");
    assert_eq!(served.text().await.expect("a text"), "ada");
}
