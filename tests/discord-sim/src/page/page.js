// The chat page: be a person of the simulated guild. Talks to /sim only.
"use strict";
const $ = (id) => document.getElementById(id);
let person = new URLSearchParams(location.search).get("as");
let channel = null;
let people = [];
let view = { channels: [], messages: [], modal: null, commands: [] };
let count = 0;

const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const ask = async (path, body) => {
  const answer = await fetch(`/sim${path}`, body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error);
  return data;
};
const act = async (what, body) => {
  $("notice").textContent = "…";
  try {
    const reply = await ask(`/as/${person}/${what}`, body);
    $("notice").textContent = reply.failed ? reply.text : "";
    await refresh();
    return reply;
  } catch (error) {
    $("notice").textContent = error.message;
    throw error;
  }
};
const quietly = (promise) => promise.catch(() => {});

async function refresh() {
  const state = await ask("/state");
  people = state.guilds.flatMap((guild) => guild.members.filter((m) => !m.bot && !m.owner)
    .map((m) => ({ ...m, guild: guild.name })));
  if (!people.some((one) => one.id === person || one.name === person)) person = people[0]?.id ?? null;
  if (person) view = await ask(`/as/${person}/view`);
  if (!view.channels.some((one) => one.id === channel)) channel = view.channels[0]?.id ?? null;
  show();
}

function show() {
  const me = people.find((one) => one.id === person || one.name === person);
  $("people").replaceChildren(...people.map((one) => {
    const button = make("button", { type: "button" }, one.display_name, make("small", {}, one.role_names.join(", ") || "no role"));
    button.setAttribute("aria-current", String(one === me));
    button.onclick = () => { person = one.id; channel = null; quietly(refresh()); };
    return make("li", {}, button);
  }));
  $("channels").replaceChildren(...view.channels.map((one) => {
    const button = make("button", { type: "button" }, one.dm ? `@ ${one.name}` : `# ${one.name}`);
    button.setAttribute("aria-current", String(one.id === channel));
    button.onclick = () => { channel = one.id; show(); };
    return make("li", {}, button);
  }));
  const here = view.channels.find((one) => one.id === channel);
  $("where").textContent = here ? (here.dm ? `Direct messages with ${here.name}` : `# ${here.name}`) : "No channel";
  $("who").textContent = me ? `${me.display_name} in ${me.guild}` : "";
  $("commands").replaceChildren(...view.commands.map((text) => make("option", { value: text })));
  const list = $("messages");
  const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
  list.replaceChildren(...view.messages.filter((one) => one.channel === channel).map(message));
  if (atEnd) list.scrollTop = list.scrollHeight;
  showModal();
}

// Times, code spans, bold text and lists as Discord's own client shows them; everything else stays text.
function moment(seconds, style) {
  const date = new Date(seconds * 1000);
  if (style !== "R") return date.toLocaleString();
  const away = Math.round(seconds - Date.now() / 1000);
  const [unit, size] = Object.entries({ second: 1, minute: 60, hour: 3600, day: 86400 }).reverse()
    .find(([, size]) => Math.abs(away) >= size) ?? ["second", 1];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.round(away / size), unit);
}
function rich(text) {
  const parts = text.replace(/^- /gm, "• ").split(/(`[^`\n]+`|\*\*[^*\n]+\*\*|<t:\d+(?::[a-zA-Z])?>)/);
  return parts.map((part) => {
    const time = /^<t:(\d+)(?::([a-zA-Z]))?>$/.exec(part);
    if (time) return make("time", { title: new Date(time[1] * 1000).toLocaleString() }, moment(Number(time[1]), time[2]));
    if (/^`[^`]+`$/.test(part)) return make("code", {}, part.slice(1, -1));
    if (/^\*\*[^*]+\*\*$/.test(part)) return make("strong", {}, ...rich(part.slice(2, -2)));
    return part;
  });
}

// The simulator has no pictures, so the first letter stands for one.
function author(one) {
  return make("div", { className: "author" }, make("span", { className: "avatar", ariaHidden: "true" }, [...one.name][0]), one.name);
}

function message(one) {
  const head = make("div", { className: "by" }, one.author ?? "?",
    make("time", {}, new Date(one.at_ms).toLocaleTimeString()), one.edited ? make("span", { className: "mark" }, "edited") : "");
  const item = make("li", { className: one.ephemeral ? "only" : "" }, head);
  if (one.ephemeral) item.append(make("span", { className: "mark" }, "Only you can see this"));
  item.append(make("p", {}, ...(one.loading ? ["is thinking…"] : rich(one.content))));
  for (const embed of one.embeds) {
    const box = make("div", { className: "embed" });
    if (embed.color !== undefined) box.style.borderLeftColor = `#${embed.color.toString(16).padStart(6, "0")}`;
    if (embed.author) box.append(author(embed.author));
    if (embed.title) box.append(make("strong", {}, ...rich(embed.title)));
    if (embed.description) box.append(make("p", {}, ...rich(embed.description)));
    const list = make("dl");
    for (const field of embed.fields ?? []) list.append(make("div", { className: field.inline ? "short" : "" },
      make("dt", {}, field.name), make("dd", {}, ...rich(field.value))));
    box.append(list);
    const footer = [embed.footer?.text, embed.timestamp && new Date(embed.timestamp).toLocaleString()].filter(Boolean);
    if (footer.length) box.append(make("small", {}, footer.join(" · ")));
    item.append(box);
  }
  for (const row of one.components) item.append(make("div", { className: "row" }, ...(row.components ?? []).map((part) => control(one, part))));
  return item;
}

function control(one, part) {
  if (part.type === 2 && part.url) return make("a", { href: part.url, rel: "noreferrer" }, part.label ?? part.url);
  if (part.type === 2) {
    const button = make("button", { type: "button", className: `style-${part.style}`, disabled: part.disabled === true },
      part.label ?? part.emoji?.name ?? "");
    button.onclick = () => quietly(act("press", { label: part.custom_id, message: one.id }));
    return button;
  }
  const select = make("select", { disabled: part.disabled === true },
    make("option", { value: "" }, part.placeholder ?? "Choose"),
    ...(part.options ?? []).map((option) => make("option", { value: option.value }, option.label)));
  select.setAttribute("aria-label", part.placeholder ?? "Choose");
  select.onchange = () => quietly(act("select", { select: part.custom_id, values: [select.value], message: one.id }));
  return select;
}

let shownModal = "";
function showModal() {
  const key = view.modal ? JSON.stringify([person, view.modal]) : "";
  if (key === shownModal) return;
  shownModal = key;
  if (!view.modal) { $("modal").close(); return; }
  $("modal-title").textContent = view.modal.title;
  $("modal-notice").textContent = "";
  $("fields").replaceChildren(...view.modal.fields.map((field) => {
    const input = make(field.paragraph ? "textarea" : "input",
      { name: field.custom_id, value: field.value, placeholder: field.placeholder, required: field.required, maxLength: field.max_length });
    return make("label", {}, field.label, input);
  }));
  if (!$("modal").open) $("modal").showModal();
}

$("say").onsubmit = (event) => {
  event.preventDefault();
  const here = view.channels.find((one) => one.id === channel);
  if (!here) return;
  quietly(act("command", { channel, text: $("text").value }).then(() => { $("text").value = ""; }));
};
$("modal-form").onsubmit = (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData($("modal-form")));
  act("submit", { fields }).then((reply) => {
    $("modal-notice").textContent = reply.failed ? "Something went wrong. Try again." : "";
  }).catch((error) => { $("modal-notice").textContent = error.message; });
};
const cancel = () => quietly(act("submit", { cancel: true }));
$("cancel").onclick = cancel;
$("modal").addEventListener("cancel", (event) => { event.preventDefault(); cancel(); });

(async () => {
  for (;;) {
    try {
      await refresh();
      ({ count } = await ask(`/changes/${count}`));
    } catch {
      $("notice").textContent = "The simulator is not there. Trying again…";
      await new Promise((done) => setTimeout(done, 2000));
      count = 0;
    }
  }
})();
