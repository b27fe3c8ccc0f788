//! socketioxide under test, on one thread: prints its port, then serves. server PING_INTERVAL_S
use serde_json::{json, Value};
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::SocketIo;
use std::time::Duration;

fn room(message: &Value) -> String {
    message["room"].as_str().unwrap_or_default().to_owned()
}

async fn admitted(TryData(auth): TryData<Value>) -> Result<(), &'static str> {
    match auth {
        Ok(auth) if auth["token"] == "good" => Ok(()),
        _ => Err("bad token"),
    }
}

async fn connected(socket: SocketRef) {
    socket.on("join", |socket: SocketRef, Data(name): Data<String>, ack: AckSender| async move {
        socket.join(name);
        ack.send(&()).ok();
    });
    socket.on("room", |socket: SocketRef, Data(message): Data<Value>| async move {
        socket.within(room(&message)).emit("room", &message).await.ok();
    });
    socket.on("pair", |socket: SocketRef, Data(message): Data<Value>, ack: AckSender| async move {
        socket.to(room(&message)).emit("pair", &message).await.ok();
        ack.send(&json!({"ok": true})).ok();
    });
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let interval: f64 = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(25.0);
    let (layer, io) = SocketIo::builder()
        .ping_interval(Duration::from_secs_f64(interval))
        .max_buffer_size(4096)
        .build_layer();
    io.ns("/", connected.with(admitted));
    let app = axum::Router::new().layer(layer);
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(4096)?;
    println!("{}", listener.local_addr()?.port());
    axum::serve(listener, app).await
}
