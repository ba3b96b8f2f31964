
"use strict";
const at = (id) => document.getElementById(id);
const EVERY_MS = 2000;
const KEY = "mainstem.key";
let round = 0;

function tell(text, isBad) {
  at("told").textContent = text;
  at("told").className = isBad ? "bad" : "";
}

// The application, and the view if there is one: what stands behind # in the address.
function wanted() {
  const parts = location.hash.slice(1).split("/").map(decodeURIComponent);
  return { app: parts[0] || "", view: parts[1] || "" };
}

async function ask(path, accept) {
  const key = sessionStorage.getItem(KEY);
  const answer = await fetch(path, { headers: { Authorization: "Bearer " + key, Accept: accept } });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({ message: "status " + answer.status }));
  const error = new Error(problem.message + (problem.hint ? " (" + problem.hint + ")" : ""));
  error.status = answer.status;
  throw error;
}

function show(text) {
  const drawn = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  at("picture").replaceChildren(document.importNode(drawn, true));
}

async function apps() {
  const list = await (await ask("/v1/apps", "application/json")).json();
  const names = list.map((app) => app.name);
  at("apps").replaceChildren(...names.map((name) => new Option(name, name)));
  at("apps").hidden = names.length === 0;
  if (!wanted().app && names.length > 0) location.replace("#" + encodeURIComponent(names[0]));
  return names.length;
}

async function refresh() {
  const own = ++round;
  const { app, view } = wanted();
  at("enter").hidden = true;
  try {
    if (!sessionStorage.getItem(KEY)) throw Object.assign(new Error(""), { status: 401 });
    if (at("apps").options.length === 0 && (await apps()) === 0) {
      tell("no application yet");
    } else if (app) {
      const kind = view ? "/v1/views/" + encodeURIComponent(view) : "/v1/apps/" + encodeURIComponent(app);
      const text = await (await ask(kind + "/graph", "image/svg+xml")).text();
      if (own !== round) return;
      show(text);
      at("apps").value = app;
      at("up").hidden = !view;
      at("up").href = "#" + encodeURIComponent(app);
      tell("as of " + new Date().toLocaleTimeString());
    }
  } catch (error) {
    if (own !== round) return;
    tell(error.message, true);
    if (error.status === 401) {
      sessionStorage.removeItem(KEY);
      at("enter").hidden = false;
      at("picture").replaceChildren();
      return;
    }
  }
  setTimeout(() => { if (own === round) again(); }, EVERY_MS);
}

// Nobody looks: nothing is asked.
function again() {
  if (!document.hidden) refresh();
}

at("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, at("key").value.trim());
  at("key").value = "";
  refresh();
});
at("apps").addEventListener("change", () => { location.hash = encodeURIComponent(at("apps").value); });
at("picture").addEventListener("click", (event) => {
  const card = event.target.closest("[data-view]");
  if (card) location.hash = encodeURIComponent(wanted().app) + "/" + encodeURIComponent(card.dataset.view);
});
addEventListener("hashchange", refresh);
document.addEventListener("visibilitychange", again);
refresh();
