// The client of the smoke application. VITE_API_URL is inlined at build time in
// the real client; here too, the address is part of this file.
const API_URL = "https://trenova.invalid/api/v1";

const $ = (id) => document.getElementById(id);

// An absolute URL is needed: `new URL("/api/v1/…")` throws.
async function call(method, path, body) {
  const response = await fetch(new URL(API_URL + path), {
    method,
    credentials: "include",
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  const data = response.status === 204 ? null : await response.json().catch(() => null);
  return { ok: response.ok, status: response.status, data };
}

function show(name) {
  for (const view of ["login", "board"]) $(view).hidden = view !== name;
}

function setBusy(busy) {
  $("submit").disabled = busy;
  $("submit").textContent = busy ? "Signing in…" : "Sign in";
}

function cell(row, text, className) {
  const td = row.insertCell();
  if (!className) return void (td.textContent = text);
  const span = document.createElement("span");
  span.className = className;
  span.textContent = text;
  td.append(span);
}

function label(status) {
  return status.replace(/([a-z])([A-Z])/g, "$1 $2");
}

async function loadBoard() {
  const me = await call("GET", "/users/me/");
  if (!me.ok) return show("login");
  $("name").textContent = me.data.name;
  $("email").textContent = me.data.emailAddress;

  const list = await call("GET", "/shipments/?limit=20&offset=0");
  const shipments = list.ok ? list.data.results : [];
  $("count").textContent = list.ok ? `${shipments.length} of ${list.data.count}` : `error ${list.status}`;
  $("rows").replaceChildren();
  for (const s of shipments) {
    const row = $("rows").insertRow();
    cell(row, s.proNumber);
    cell(row, s.bol);
    cell(row, label(s.status), `badge ${s.status.toLowerCase()}`);
    cell(row, `${s.weight.toLocaleString("en-US")} lb`);
  }
  $("empty").hidden = shipments.length > 0;
  show("board");
}

$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("error").textContent = "";
  setBusy(true);
  try {
    const form = new FormData(event.target);
    const result = await call("POST", "/auth/login/", {
      emailAddress: form.get("email"),
      password: form.get("password"),
      rememberMe: true,
    });
    if (result.ok) await loadBoard();
    else $("error").textContent = result.data?.detail ?? `Sign-in failed (${result.status}).`;
  } catch {
    $("error").textContent = "The server cannot be reached.";
  } finally {
    setBusy(false);
  }
});

$("logout").addEventListener("click", async () => {
  await call("POST", "/auth/logout/").catch(() => null);
  show("login");
});

loadBoard().catch(() => show("login"));
//# sourceMappingURL=app-7387c8f2.js.map
