//! Any bytes as a Modbus peer's answer: over TCP and as serial frames inside TCP. A value comes out only of
//! a whole answer to the very request; whatever comes, the link ends in a state and does not panic.

use minewatch_gateway::instrument::{Function, ReadRequest};
use minewatch_gateway::modbus::{BusCounters, Endpoint, Link, Request};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The first byte says how; the rest is sent after the request has come.
pub(crate) fn body(data: &[u8]) {
    let Some((how, answer)) = data.split_first() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let words = runtime.block_on(ask(how % 2 == 0, answer.to_vec()));
    if let Some(words) = words {
        assert_eq!(words.len(), 2, "two registers were asked for");
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let mut whole = vec![3, 4];
        whole.extend(bytes);
        assert!(answer.windows(whole.len()).any(|part| part == whole), "the words came over the wire");
    }
}

async fn ask(tcp: bool, answer: Vec<u8>) -> Option<Vec<u16>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address").to_string();
    let peer = async {
        let Ok((mut socket, _)) = listener.accept().await else { return };
        let mut request = [0; 64];
        let _ = socket.read(&mut request).await;
        let _ = socket.write_all(&answer).await;
    };
    let endpoint = if tcp { Endpoint::Tcp(address) } else { Endpoint::RtuOverTcp(address) };
    let mut link = Link::new(endpoint, Duration::from_secs(1), Arc::new(BusCounters::default()), 1);
    let read = Request::Read(ReadRequest { function: Function::Holding, address: 7, count: 2 });
    let (_, outcome) = tokio::join!(peer, link.transact(1, read, Duration::from_millis(5)));
    outcome.ok()
}
