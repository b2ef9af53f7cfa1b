//! A wire between a client and the server: counts questions, goes dead or deaf, is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Passes connections on, and looks at what the client says.
pub(crate) struct Wire {
    pub(crate) port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    server: u16,
    /// Messages after which a client waits for an answer: `Sync` and `Query`.
    questions: AtomicUsize,
    /// Messages that prepare a statement.
    prepared: AtomicUsize,
    /// Nothing goes through, and nobody is told.
    dead: AtomicBool,
    /// What the server says without being asked does not come through.
    deaf: AtomicBool,
    /// The next client that asks what it listens to is made to stop listening before.
    unlisten: AtomicBool,
    /// Raised to cut all connections.
    cuts: watch::Sender<u64>,
}

impl Wire {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            server,
            questions: AtomicUsize::new(0),
            prepared: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            unlisten: AtomicBool::new(false),
            cuts: watch::Sender::new(0),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(client, Arc::clone(&shared)));
            }
        });
        Self { port, state, task }
    }

    /// The same URL, by way of this.
    pub(crate) fn url(&self, url: &str) -> String {
        url.replace(&format!(":{}/", self.state.server), &format!(":{}/", self.port))
    }

    /// Questions and preparations since the last call.
    pub(crate) fn count(&self) -> (usize, usize) {
        let State { questions, prepared, .. } = &*self.state;
        (questions.swap(0, Ordering::SeqCst), prepared.swap(0, Ordering::SeqCst))
    }

    pub(crate) fn set_dead(&self, dead: bool) {
        self.state.dead.store(dead, Ordering::SeqCst);
    }

    /// As behind a pooler that gives each statement a connection.
    pub(crate) fn set_deaf(&self, deaf: bool) {
        self.state.deaf.store(deaf, Ordering::SeqCst);
    }

    pub(crate) fn unlisten(&self) {
        self.state.unlisten.store(true, Ordering::SeqCst);
    }

    /// Whether somebody was made to stop listening.
    pub(crate) fn has_unlistened(&self) -> bool {
        !self.state.unlisten.load(Ordering::SeqCst)
    }

    pub(crate) fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(client: TcpStream, state: Arc<State>) {
    let mut cuts = state.cuts.subscribe();
    cuts.mark_unchanged();
    let Ok(server) = TcpStream::connect(("127.0.0.1", state.server)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = forward(from_client, to_server, &state, true) => {}
        () = forward(from_server, to_client, &state, false) => {}
        _ = cuts.changed() => {}
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, asks: bool) {
    let mut messages = Messages::default();
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(len) = from.read(&mut bytes).await else { return };
        if len == 0 {
            return;
        }
        while state.dead.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(5)).await;
        }
        let passed = if asks {
            messages.see(&bytes[..len], state);
            unlistened(&bytes[..len], state)
        } else if state.deaf.load(Ordering::SeqCst) {
            messages.without_notifications(&bytes[..len])
        } else {
            bytes[..len].to_vec()
        };
        if to.write_all(&passed).await.is_err() {
            return;
        }
    }
}

/// What the client says, with something put before one of its questions.
fn unlistened(said: &[u8], state: &State) -> Vec<u8> {
    const QUESTION: &[u8] = b"SELECT pg_catalog.pg_listening_channels()\0";
    let asked = said.first() == Some(&b'Q') && said.get(5..) == Some(QUESTION);
    if !asked || !state.unlisten.swap(false, Ordering::SeqCst) {
        return said.to_vec();
    }
    let text = [b"UNLISTEN *; ", QUESTION].concat();
    [b"Q".as_slice(), &(text.len() as u32 + 4).to_be_bytes(), &text].concat()
}

/// Messages of the protocol's version 3: after the first, a letter and a length.
#[derive(Default)]
struct Messages {
    begun: bool,
    rest: Vec<u8>,
}

impl Messages {
    fn see(&mut self, bytes: &[u8], state: &State) {
        self.rest.extend_from_slice(bytes);
        while let Some(message) = self.next(usize::from(self.begun)) {
            match message[0] {
                b'S' | b'Q' if self.begun => state.questions.fetch_add(1, Ordering::SeqCst),
                b'P' if self.begun => state.prepared.fetch_add(1, Ordering::SeqCst),
                _ => 0,
            };
            self.begun = true;
        }
    }

    /// What the server says in whole messages, except for notifications.
    fn without_notifications(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(bytes);
        let messages = std::iter::from_fn(|| self.next(1));
        messages.filter(|message| message[0] != b'A').flatten().collect()
    }

    /// A message with so many bytes before its length, if all of it is there.
    fn next(&mut self, before: usize) -> Option<Vec<u8>> {
        let len = self.rest.get(before..before + 4)?;
        let len = u32::from_be_bytes(len.try_into().unwrap()) as usize + before;
        (self.rest.len() >= len).then(|| self.rest.drain(..len).collect())
    }
}
