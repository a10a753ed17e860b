use super::*;
use crate::cli::Ports;
use crate::modbus::frame::{Adu, Damage, crc16, encode};
use crate::world::Scenario;
use tokio::io::AsyncRead;

fn args() -> RunArgs {
    let any: SocketAddr = "127.0.0.1:0".parse().expect("address");
    RunArgs {
        modbus: any,
        rtu_over_tcp: Some(any),
        rtu: vec![serial::PTY.to_owned()],
        counter_ports: Some(Ports(vec![any; 2])),
        control: any,
        relay: vec![],
        scenario: Scenario::Normal,
        seed: 1,
        speed: None,
    }
}

struct Running {
    ready: Ready,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

async fn start() -> Running {
    let simulator = Simulator::bind(&args()).await.expect("bound");
    let (ready, stop) = (simulator.ready.clone(), CancellationToken::new());
    let task = tokio::spawn(simulator.run(stop.clone()));
    Running { ready, stop, task }
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("clean end");
    }
}

async fn exchange<S: AsyncRead + tokio::io::AsyncWrite + Unpin>(stream: &mut S, ask: &[u8], answer: usize) -> Vec<u8> {
    stream.write_all(ask).await.expect("sent");
    let mut got = vec![0; answer];
    stream.read_exact(&mut got).await.expect("answered");
    got
}

fn pond_level(framing: Framing) -> Vec<u8> {
    encode(framing, &Adu { transaction: 3, unit: 1, pdu: vec![4, 0, 0, 0, 2] }, Damage::None)
}

fn level(bytes: &[u8]) -> f32 {
    f32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

#[tokio::test]
async fn one_world_is_seen_through_tcp_rtu_over_tcp_and_a_serial_line() {
    let running = start().await;
    let mut tcp = TcpStream::connect(&running.ready.modbus).await.expect("tcp");
    let answer = exchange(&mut tcp, &pond_level(Framing::Tcp), 13).await;
    assert_eq!(answer[..9], [0, 3, 0, 0, 0, 7, 1, 4, 4]);
    assert!((122.5..122.7).contains(&level(&answer[9..])));

    let rtu_address = running.ready.rtu_over_tcp.as_ref().expect("asked for");
    let mut rtu = TcpStream::connect(rtu_address).await.expect("rtu over tcp");
    let mut line = serial::open(&running.ready.rtu[0]).expect("serial").0;
    for answer in [
        exchange(&mut rtu, &pond_level(Framing::Rtu), 9).await,
        exchange(&mut line, &pond_level(Framing::Rtu), 9).await,
    ] {
        assert_eq!(answer[..3], [1, 4, 4]);
        assert!((122.5..122.7).contains(&level(&answer[3..])));
        assert_eq!(crc16(&answer[..7]).to_le_bytes(), [answer[7], answer[8]]);
    }
    running.end().await;
}

#[tokio::test]
async fn faults_and_scenarios_are_commanded_over_http() {
    let running = start().await;
    let control = &running.ready.control;
    let order = r#"{"device":"pond","fault":{"kind":"exception","code":6},"times":1}"#;
    assert_eq!(post(control, "/fault", order).await.expect("taken"), r#"{"ok":true}"#);
    let mut tcp = TcpStream::connect(&running.ready.modbus).await.expect("tcp");
    assert_eq!(exchange(&mut tcp, &pond_level(Framing::Tcp), 9).await, [0, 3, 0, 0, 0, 3, 1, 0x84, 6]);
    exchange(&mut tcp, &pond_level(Framing::Tcp), 13).await;

    let refuse = r#"{"device":"counter-1","fault":{"kind":"refuse"}}"#;
    post(control, "/fault", refuse).await.expect("taken");
    let mut counter = TcpStream::connect(&running.ready.counters[1]).await.expect("the system accepts");
    assert!(matches!(counter.read(&mut [0; 8]).await, Err(_) | Ok(0)));

    post(control, "/scenario", r#"{"scenario":"storm","speed":3000,"reset":true}"#).await.expect("taken");
    post(control, "/clear", "{}").await.expect("taken");
    let wrong = post(control, "/fault", r#"{"device":"nobody","fault":{"kind":"silence"}}"#).await;
    assert!(wrong.expect_err("unknown").to_string().contains("no device"));
    let link = LinkArgs { control: format!("http://{control}"), relay: None, delay_ms: 0, state: LinkWord::Up };
    assert!(switch_link(&link).await.expect_err("no relay").to_string().contains("no such relay"));
    drop(tcp);
    running.end().await;
}

#[tokio::test]
async fn the_control_api_stays_on_loopback() {
    let wide = RunArgs { control: "0.0.0.0:0".parse().expect("address"), ..args() };
    assert!(Simulator::bind(&wide).await.is_err());
}
