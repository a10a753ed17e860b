//! Against a broker of a few lines that says exactly what a test wants.

use super::*;
use crate::broker::Credentials;
use rumqttc::v5::mqttbytes::v5::{ConnAckProperties, PubAck};
use tokio::net::TcpListener;

fn will() -> LastWill {
    LastWill::new("gone", "x", QoS::AtLeastOnce, true, None)
}

/// Reads packets from a client and answers them.
struct Peer {
    socket: TcpStream,
    input: BytesMut,
}

impl Peer {
    async fn packet(&mut self) -> Packet {
        loop {
            match Packet::read(&mut self.input, None) {
                Ok(packet) => return packet,
                Err(PacketError::InsufficientBytes(_)) => {
                    assert!(self.socket.read_buf(&mut self.input).await.expect("client's bytes") > 0, "client left");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn say(&mut self, packet: Packet) {
        let mut out = BytesMut::new();
        packet.write(&mut out, None).expect("packet");
        self.socket.write_all(&out).await.expect("to the client");
    }
}

fn connack(code: ConnectReturnCode, receive_max: Option<u16>) -> Packet {
    let mut bytes = Bytes::from_static(&[0]);
    let mut properties = ConnAckProperties::read(&mut bytes).expect("no properties").unwrap_or(ConnAckProperties {
        session_expiry_interval: None,
        receive_max: None,
        max_qos: None,
        retain_available: None,
        max_packet_size: None,
        assigned_client_identifier: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: None,
        shared_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    });
    properties.receive_max = receive_max;
    Packet::ConnAck(ConnAck { session_present: false, code, properties: Some(properties) })
}

/// A client and its broker, after CONNECT was answered.
async fn met(code: ConnectReturnCode, receive_max: Option<u16>) -> (Result<Burst<usize>, String>, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let port = listener.local_addr().expect("address").port();
    let address = BrokerAddress { host: "127.0.0.1".to_owned(), port, tls: false, credentials: Credentials::default() };
    let serve = async {
        let (socket, _) = listener.accept().await.expect("client");
        let mut peer = Peer { socket, input: BytesMut::new() };
        assert!(matches!(peer.packet().await, Packet::Connect(connect, Some(_), None) if connect.clean_start));
        peer.say(connack(code, receive_max)).await;
        peer
    };
    tokio::join!(Burst::open(&address, "me", will()), serve)
}

fn fill(burst: &mut Burst<usize>, from: usize) -> usize {
    let mut tag = from;
    while burst.has_room() {
        burst.publish(Bytes::from_static(b"t"), vec![7; 10], false, None, tag).expect("fits");
        tag += 1;
    }
    tag
}

#[tokio::test]
async fn the_window_is_the_brokers_and_every_message_is_settled_by_its_own_ack() {
    let (burst, mut peer) = met(ConnectReturnCode::Success, Some(20)).await;
    let mut burst = burst.expect("connected");
    assert_eq!(fill(&mut burst, 0), 20);
    let answers = async {
        let mut seen = 0u16;
        while seen < 40 {
            if let Packet::Publish(publish) = peer.packet().await {
                seen += 1;
                let reason = if seen == 3 { PubAckReason::NotAuthorized } else { PubAckReason::Success };
                peer.say(Packet::PubAck(PubAck { pkid: publish.pkid, reason, properties: None })).await;
            }
        }
        peer
    };
    let mut settled = Vec::new();
    let publish = async {
        let mut next = 20;
        while settled.len() < 40 {
            burst.turn(&mut settled).await.expect("alive");
            if next < 40 {
                next = fill(&mut burst, next).min(40);
            }
        }
    };
    let (_peer, ()) = tokio::join!(answers, publish);
    let tags: Vec<usize> = settled.iter().map(|s| s.tag).take(40).collect();
    assert_eq!(tags, (0..40).collect::<Vec<_>>());
    let refused: Vec<usize> = settled.iter().filter(|s| !s.taken).map(|s| s.tag).collect();
    assert_eq!(refused, [2]);
}

#[tokio::test]
async fn a_broker_that_refuses_or_leaves_ends_the_connection_with_a_reason() {
    let (refused, _peer) = met(ConnectReturnCode::NotAuthorized, None).await;
    assert!(refused.err().is_some_and(|why| why.contains("NotAuthorized")));
    let (burst, peer) = met(ConnectReturnCode::Success, None).await;
    let mut burst = burst.expect("connected");
    drop(peer);
    let mut settled = Vec::new();
    let ended = async {
        loop {
            if let Err(why) = burst.turn(&mut settled).await {
                return why;
            }
        }
    };
    assert!(ended.await.contains("broker"), "says who left");
}
