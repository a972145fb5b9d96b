//! The rules of attached files: how they are sent, how large they may be, who sees them, and what an edit keeps of them.

use reqwest::Method;
use serde_json::{Value, json};
use twilight_model::channel::Message;

use crate::client::{Rest, TestEnv, webhook};
use crate::judges::{faults, openapi, reads};

const MIB: usize = 1024 * 1024;

fn attaching(content: &str, names: &[&str]) -> Value {
    let files: Vec<Value> =
        names.iter().enumerate().map(|(id, name)| json!({"id": id.to_string(), "filename": name})).collect();
    json!({"content": content, "attachments": files, "allowed_mentions": {"parse": []}})
}

#[tokio::test]
async fn a_file_below_a_deferred_answer_is_seen_and_opened_by_its_person_alone() {
    let env = TestEnv::new().await;
    let mut gateway = env.connect().await;
    let rest = Rest::new(&env.sim, None);
    let bytes = b"a,b\r\n\"--x\",\x00\xff\r\n\r\n".to_vec();
    let work = async {
        let interaction = gateway.interaction().await;
        rest.answer(&interaction, &json!({"type": 5, "data": {"flags": 64}})).await;
        interaction
    };
    let (reply, interaction) = tokio::join!(env.ada.runs("/account request"), work);
    assert!(reply.ephemeral, "{reply}");
    let path = webhook(&interaction, "/messages/@original");
    let body = attaching("your table", &["table.csv"]);
    let (status, made) = rest.send_files(Method::PATCH, &path, &body, &[("other.csv", bytes.clone())]).await;
    assert_eq!(status, 200, "{made}");
    let file = &made["attachments"][0];
    assert_eq!(
        (&file["filename"], &file["size"], &file["ephemeral"]),
        (&json!("table.csv"), &json!(bytes.len()), &json!(true))
    );
    assert_eq!(reads::<Message>("a message with a file", &made).attachments.len(), 1);
    if let Some(document) = openapi() {
        let call = "/paths/~1webhooks~1{webhook_id}~1{webhook_token}~1messages~1@original/patch";
        let answer = [call, "/responses/200/content/application~1json/schema"].concat();
        assert_eq!(faults(&document, &answer, &made), Vec::<String>::new());
        let asked = [call, "/requestBody/content/multipart~1form-data/schema"].concat();
        assert_eq!(faults(&document, &asked, &body), Vec::<String>::new());
    }
    let (message, text) = env.ada.waits_for_message("your table").await;
    assert_eq!(
        text,
        format!(
            "#general Accolade (only you) (edited): your table\n    (file table.csv, {} bytes)",
            bytes.len()
        )
    );
    assert_eq!(env.ada.opens_file(message), ("table.csv".to_owned(), bytes));
    assert_eq!(env.grace.sees().await, "");
    let grace = env.grace.clone();
    let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| grace.opens_file(message)));
    assert!(opened.is_err(), "grace opened what only ada sees");
}

#[tokio::test]
async fn files_that_are_too_large_too_many_or_missing_are_refused() {
    let env = TestEnv::new().await;
    let rest = env.rest();
    let path = format!("/channels/{}/messages", env.guild.channel("general").id);
    let send = async |body: &Value, files: &[(&str, Vec<u8>)]| {
        let (status, answer) = rest.send_files(Method::POST, &path, body, files).await;
        (status.as_u16(), answer["code"].as_i64())
    };
    let ten = [("large.csv", vec![b'x'; 10 * MIB])];
    assert_eq!(send(&attaching("x", &["large.csv"]), &ten).await, (200, None));
    let more = [("large.csv", vec![b'x'; 6 * MIB]), ("more.csv", vec![b'x'; 5 * MIB])];
    assert_eq!(send(&attaching("x", &["large.csv", "more.csv"]), &more).await, (413, Some(40005)));
    let eleven: Vec<(&str, Vec<u8>)> = (0..11).map(|_| ("a.txt", vec![b'x'])).collect();
    assert_eq!(send(&attaching("x", &["a.txt"; 11]), &eleven).await, (400, Some(50035)));
    assert_eq!(
        send(&attaching("x", &["a.txt", "b.txt"]), &[("a.txt", vec![b'x'])]).await,
        (400, Some(50035))
    );
    assert_eq!(send(&attaching("x", &[""]), &[("a.txt", vec![b'x'])]).await, (400, Some(50035)));
    // A message may consist of a file alone, and the file needs no entry in the body.
    assert_eq!(send(&json!({}), &[("a.txt", vec![b'x'])]).await, (200, None));
    assert_eq!(send(&json!({}), &[]).await, (400, Some(50006)));
    let (status, answer) = rest.post(&path, &attaching("x", &["a.txt"])).await;
    assert_eq!((status.as_u16(), &answer["code"]), (400, &json!(50035)), "a file that was not sent");
}

#[tokio::test]
async fn an_edit_keeps_the_files_that_it_names_or_says_nothing_of() {
    let env = TestEnv::new().await;
    let rest = env.rest();
    let path = format!("/channels/{}/messages", env.guild.channel("general").id);
    let files = [("a.txt", vec![b'a']), ("b.txt", vec![b'b'])];
    let (_, made) = rest.send_files(Method::POST, &path, &attaching("x", &["a.txt", "b.txt"]), &files).await;
    let message = format!("{path}/{}", made["id"].as_str().expect("an id"));
    let names = |message: &Value| -> Vec<String> {
        let files = message["attachments"].as_array().expect("a list");
        files.iter().map(|file| file["filename"].as_str().expect("a name").to_owned()).collect()
    };
    let (_, edited) = rest.patch(&message, &json!({"content": "y"})).await;
    assert_eq!(names(&edited), ["a.txt", "b.txt"]);
    let (_, edited) =
        rest.patch(&message, &json!({"attachments": [{"id": made["attachments"][1]["id"]}]})).await;
    assert_eq!(names(&edited), ["b.txt"]);
    let (_, edited) = rest.patch(&message, &json!({"attachments": []})).await;
    assert_eq!(names(&edited), Vec::<String>::new());
}
