//! Everything that is wrong at a port, while a transfer goes through it.

use super::*;

/// Packets of the transfer, and as many rounds of wrong ones.
const ROUNDS: usize = 40;

/// Nothing is said to a stranger.
async fn closed_without_a_word(mut stream: TcpStream) {
    let read = soon("being closed", stream.read(&mut [0; 16])).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn a_transfer_goes_on_whatever_else_comes_to_its_port() {
    let mut rig = Rig::new(|config| (config.tls, config.handshake) = (false, Duration::from_millis(100)));
    let content = content(ROUNDS * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    let mut bob = rig.join(Role::Download, 0).await;
    alice.manifest(content.len()).await;
    bob.expect(Kind::Manifest).await;
    let mut silent = Vec::new();
    for round in 0..ROUNDS {
        let server = SocketAddr::new(HERE, rig.port);
        match round % 8 {
            // A stranger.
            0 => closed_without_a_word(soon("connecting", TcpStream::connect(server)).await.expect("connected")).await,
            // The right address, a wrong key.
            1 => {
                let carol = rig.member(Role::Download);
                let mut link = rig.knock(carol.socket, carol.source, carol.id).await;
                link.prove(Role::Download, &TransferKey::from_bytes([0; 32]), 0).await;
                assert_eq!(link.error().await, FailureCode::Forbidden);
            }
            // The right key, a wrong port.
            2 => {
                let (_carol, (other, _)) = (rig.member(Role::Download), socket());
                closed_without_a_word(soon("connecting", other.connect(server)).await.expect("connected")).await;
            }
            // A member that connects and sends nothing.
            3 => {
                let carol = rig.member(Role::Download);
                silent.push(rig.knock(carol.socket, carol.source, carol.id).await);
            }
            // A receiver that sends data.
            4 => {
                let mut carol = rig.join(Role::Download, 0).await;
                carol.send(Kind::Data, ROUNDS as u64, 0, content.slice(..PAYLOAD)).await;
                while carol.next().await.is_some_and(|packet| packet.header.kind != Kind::Error) {}
            }
            // Nonsense instead of a proof.
            5 => {
                let carol = rig.member(Role::Upload);
                let mut link = rig.knock(carol.socket, carol.source, carol.id).await;
                link.raw(b"GET / HTTP/1.1\r\n\r\n").await;
                link.expect(Kind::Challenge).await;
                assert_eq!(link.next().await, None);
            }
            // A receiver that takes nothing, and is cut.
            6 => drop(rig.join(Role::Download, 0).await),
            // A receiver that acknowledges what it cannot have.
            _ => {
                let mut carol = rig.join(Role::Download, 0).await;
                let acknowledgement = payload::Acknowledgement { durable: u64::MAX, complete: true };
                carol.send(Kind::Acknowledgement, 0, 0, acknowledgement.to_bytes()).await;
                while carol.next().await.is_some_and(|packet| packet.header.kind != Kind::Error) {}
            }
        }
        alice.data(&content, round..round + 1).await;
        let packet = bob.expect(Kind::Data).await;
        assert_eq!((packet.header.sequence, &packet.data[..]), (round as u64, &content[round * PAYLOAD..][..PAYLOAD]), "round {round}");
    }
    for mut link in silent {
        link.expect(Kind::Challenge).await;
        assert_eq!(link.next().await, None, "it had its time");
    }
    alice.trailer(&content).await;
    alice.acknowledged().await;
    bob.expect(Kind::Trailer).await;
    assert_eq!(rig.join(Role::Download, 0).await.download().await, content);
    let counts = rig.counts();
    let each = ROUNDS as u64 / 8;
    assert_eq!((counts.strangers, counts.unproved, counts.unfinished, counts.faults), (2 * each, each, 2 * each, 2 * each));
}

#[tokio::test]
async fn names_with_control_characters_fail_their_upload_and_nobody_gets_them() {
    for name in ["line\\nfeed", "esc\\u001b[31m", "right\\u202eleft", "back\\\\slash", "a/../../b", "con"] {
        let mut rig = Rig::new(|_| {});
        let mut bob = rig.join(Role::Download, 0).await;
        let mut alice = rig.join(Role::Upload, 0).await;
        let manifest = payload::Manifest { payload_size: PAYLOAD as u32, bytes: Some(5), json: json(name, 5) }.to_bytes();
        alice.send(Kind::Manifest, 1, 0, manifest).await;
        assert_eq!((alice.error().await, bob.error().await), (FailureCode::Usage, FailureCode::Usage), "{name}");
    }
}
