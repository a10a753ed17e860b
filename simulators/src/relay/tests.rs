use super::*;
use serde_json::json;

struct Bench {
    relay: Arc<Relay>,
    broker: TcpListener,
    stop: CancellationToken,
}

async fn bench() -> Bench {
    let broker = TcpListener::bind("127.0.0.1:0").await.expect("broker");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("relay");
    let to = broker.local_addr().expect("address").to_string();
    let relay = Arc::new(Relay::new(listener.local_addr().expect("address"), to));
    let stop = CancellationToken::new();
    tokio::spawn(serve(relay.clone(), listener, stop.clone()));
    Bench { relay, broker, stop }
}

impl Bench {
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.relay.listen).await.expect("relay accepts");
        let (broker, _) = self.broker.accept().await.expect("relay connects");
        (client, broker)
    }
}

async fn pass(from: &mut TcpStream, to: &mut TcpStream, text: &[u8]) {
    from.write_all(text).await.expect("written");
    let mut got = vec![0; text.len()];
    to.read_exact(&mut got).await.expect("passed");
    assert_eq!(got, text);
}

/// The kind of error or end a peer sees.
async fn end_of(stream: &mut TcpStream) -> io::ErrorKind {
    match stream.read(&mut [0; 16]).await {
        Ok(0) => io::ErrorKind::UnexpectedEof,
        Ok(n) => panic!("{n} bytes instead of an end"),
        Err(error) => error.kind(),
    }
}

#[tokio::test]
async fn an_open_link_passes_bytes_both_ways_and_the_end_too() {
    let bench = bench().await;
    let (mut client, mut broker) = bench.connect().await;
    pass(&mut client, &mut broker, b"hello").await;
    pass(&mut broker, &mut client, b"ack").await;
    drop(client);
    assert_eq!(end_of(&mut broker).await, io::ErrorKind::UnexpectedEof);
    bench.stop.cancel();
}

#[tokio::test]
async fn a_refused_link_resets_what_exists_and_refuses_what_comes_until_it_is_up_again() {
    let bench = bench().await;
    let (mut client, mut broker) = bench.connect().await;
    bench.relay.link.send_replace(LinkState::Refused);
    assert_eq!(end_of(&mut client).await, io::ErrorKind::ConnectionReset);
    assert_eq!(end_of(&mut broker).await, io::ErrorKind::ConnectionReset);
    while TcpStream::connect(bench.relay.listen).await.is_ok() {
        tokio::task::yield_now().await;
    }
    bench.relay.link.send_replace(LinkState::Up);
    let (mut client, mut broker) = loop {
        if let Ok(client) = TcpStream::connect(bench.relay.listen).await {
            break (client, bench.broker.accept().await.expect("relay connects").0);
        }
        tokio::task::yield_now().await;
    };
    pass(&mut client, &mut broker, b"again").await;
}

#[tokio::test]
async fn a_half_open_link_swallows_bytes_and_resets_when_it_comes_back() {
    let bench = bench().await;
    let (mut client, mut broker) = bench.connect().await;
    bench.relay.link.send_replace(LinkState::HalfOpen);
    let mut newcomer = TcpStream::connect(bench.relay.listen).await.expect("still accepts");
    client.write_all(b"lost").await.expect("tcp stays up");
    newcomer.write_all(b"lost").await.expect("tcp stays up");
    while bench.relay.counters.swallowed_bytes_total.load(Ordering::Relaxed) < 8 {
        tokio::task::yield_now().await;
    }
    bench.relay.link.send_replace(LinkState::Up);
    assert_eq!(end_of(&mut client).await, io::ErrorKind::ConnectionReset);
    assert_eq!(end_of(&mut broker).await, io::ErrorKind::ConnectionReset);
    assert_eq!(end_of(&mut newcomer).await, io::ErrorKind::ConnectionReset);
    let (mut client, mut broker) = bench.connect().await;
    pass(&mut client, &mut broker, b"fresh").await;
}

#[tokio::test]
async fn a_stalled_link_loses_nothing() {
    let bench = bench().await;
    let (mut client, mut broker) = bench.connect().await;
    pass(&mut client, &mut broker, b"a").await;
    bench.relay.link.send_replace(LinkState::Stalled);
    client.write_all(b"waiting").await.expect("written");
    assert!(broker.try_read(&mut [0; 8]).is_err(), "nothing may arrive yet");
    bench.relay.link.send_replace(LinkState::Up);
    let mut got = [0; 7];
    broker.read_exact(&mut got).await.expect("passed");
    assert_eq!(&got, b"waiting");
}

#[test]
fn the_json_of_a_link_is_the_documented_one() {
    for (state, text) in [
        (LinkState::Up, json!({"state": "up"})),
        (LinkState::HalfOpen, json!({"state": "half_open"})),
        (LinkState::Slow { delay_ms: 5 }, json!({"state": "slow", "delay_ms": 5})),
    ] {
        assert_eq!(serde_json::to_value(state).expect("json"), text);
    }
}
