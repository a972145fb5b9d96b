//! The door to Discord, against the simulated one.

use std::sync::Arc;

use accolade::clock::SystemClock;
use accolade::config;
use accolade::discord::custom_id::{CustomId, Verb};
use accolade::discord::{ButtonStyle, Discord, OutgoingMessage, SendNonce};
use accolade::domain::ids::{ChannelId, Nonce, OutboxId, RequestId};
use discord_sim::{Options, Sim};
use secrecy::SecretString;

/// Two processes may post one message, if the first is slow: Discord then answers the second with the first's message.
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
