//! The Discord client against the simulated Discord.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use accolade::clock::SystemClock;
use accolade::config;
use accolade::discord::custom_id::{CustomId, Verb};
use accolade::discord::{ButtonStyle, Discord, DiscordError, OutgoingMessage, Reply, SendNonce};
use accolade::domain::ids::{ChannelId, InteractionId, Nonce, OutboxId, RequestId};
use discord_sim::{Options, Sim};
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// Two processes may post the same message if the first is slow. Discord then answers the second with the message of the first.
#[tokio::test]
async fn what_stands_after_a_repeated_post_is_what_was_posted_last() {
    let sim = Sim::start(Options::default()).await.expect("the simulator");
    let bot = sim.bot("Accolade");
    let guild = sim.guild("Village").channel("requests").bot(&bot).build();
    let endpoint = config::Endpoint { address: sim.tls_address(), ca_file: sim.ca_file().into() };
    let settings = config::Discord { token: SecretString::from(bot.token()), endpoint: Some(endpoint) };
    let discord = Discord::connect(&settings, Arc::new(SystemClock)).await.expect("it answers");
    let channel = guild.channel("requests").id.to_string().parse::<ChannelId>().expect("an id");
    let request = RequestId::new(uuid::Uuid::from_u128(7));
    let card = |text: &str, nonce| {
        let approve = CustomId::of_request(Verb::Approve, request, Nonce::new(nonce));
        OutgoingMessage::text(text).with_button("Approve", ButtonStyle::Success, approve)
    };
    let nonce = SendNonce::of(OutboxId::new(uuid::Uuid::from_u128(8)));
    let (first, second) = (card("first", 1), card("second", 2));
    let posted = discord.post(channel, &first, &nonce).await.expect("it is posted");
    assert_eq!(discord.post(channel, &second, &nonce).await.expect("it is posted"), posted);
    let stands = discord.recent_messages(channel, 10).await.expect("a list");
    let [stands] = stands.as_slice() else { panic!("one message, not {stands:?}") };
    assert_eq!(stands.custom_ids, [second.buttons[0].custom_id.to_string()]);
    assert!(guild.history("requests")[0].1.contains("second"));
    assert!(sim.violations().is_empty(), "{:?}", sim.violations());
}

/// Forwards connections to `target` and counts them.
async fn counting_relay(target: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("its address");
    let connections = Arc::new(AtomicUsize::new(0));
    let (counted, tasks) = (Arc::clone(&connections), TaskTracker::new());
    let relayed = tasks.clone();
    tasks.spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            relayed.spawn(async move {
                let mut to = TcpStream::connect(target).await.expect("the simulator");
                // Either side may close at any time.
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    (address, connections)
}

/// A new connection takes several round trips, which would delay the first answer to an interaction.
#[tokio::test]
async fn answers_to_interactions_and_all_other_calls_share_one_connection() {
    let sim = Sim::start(Options::default()).await.expect("the simulator");
    let bot = sim.bot("Accolade");
    let guild = sim.guild("Village").channel("requests").bot(&bot).build();
    let (address, connections) = counting_relay(sim.tls_address()).await;
    let endpoint = config::Endpoint { address, ca_file: sim.ca_file().into() };
    let settings = config::Discord { token: SecretString::from(bot.token()), endpoint: Some(endpoint) };
    let discord = Discord::connect(&settings, Arc::new(SystemClock)).await.expect("it answers");
    // The first two calls are made at once, before the client knows that the server speaks HTTP/2.
    let opened = connections.load(Ordering::Relaxed);
    assert!((1..=2).contains(&opened), "{opened} connections");
    let answers = (1..=50_u64).map(|number| {
        let discord = discord.clone();
        async move {
            let id = InteractionId::new(number << 22);
            Reply::new(&discord, id, 1, SecretString::from("unknown")).defer_update().await
        }
    });
    for outcome in futures::future::join_all(answers).await {
        assert!(matches!(outcome, Err(DiscordError::Gone(_))), "{outcome:?}");
    }
    let channel = guild.channel("requests").id.to_string().parse::<ChannelId>().expect("an id");
    discord.recent_messages(channel, 10).await.expect("a list");
    assert_eq!(connections.load(Ordering::Relaxed), opened);
}
