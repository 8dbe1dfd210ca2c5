// What the pages do beyond plain forms: typeset mathematics, keep drafts on this device, count words,
// shortcuts, and say aloud what changed. Every page works without it.
"use strict";

const DRAFT = "assay.draft.";
const KEYS_OFF = "assay.keys.off";

// -- mathematics ------------------------------------------------------------------------------------

function typeset(root) {
  if (!window.katex) return;
  for (const place of root.querySelectorAll(".math:not([data-set])")) {
    const source = place.textContent;
    place.dataset.set = "";
    try {
      katex.render(source, place, { displayMode: place.tagName === "DIV", strict: "ignore", maxExpand: 200, maxSize: 20 });
    } catch {
      place.textContent = source; // unreadable mathematics is shown as it was written
    }
  }
}

// -- drafts: typed but not sent ---------------------------------------------------------------------

const memory = {
  read(key) { try { return localStorage.getItem(key); } catch { return null; } },
  write(key, value) { try { localStorage.setItem(key, value); } catch { /* private window, full disk */ } },
  forget(key) { try { localStorage.removeItem(key); } catch { /* as above */ } },
  keys() { try { return Object.keys(localStorage); } catch { return []; } },
};

const fields = (form) => [...form.elements].filter((field) => field.name && !["hidden", "submit", "button"].includes(field.type) && field.tagName !== "BUTTON" && field.tagName !== "FIELDSET");
const pickable = (field) => field.type === "radio" || field.type === "checkbox";

function keepDraft(form) {
  const typed = fields(form).filter((field) => (pickable(field) ? field.checked : field.value)).map((field) => [field.name, field.value]);
  memory.write(DRAFT + form.dataset.draft, JSON.stringify(typed));
}

function restoreDraft(form) {
  const fresh = !fields(form).some((field) => (pickable(field) ? field.checked : field.value));
  let typed = [];
  try { typed = JSON.parse(memory.read(DRAFT + form.dataset.draft)) || []; } catch { /* not ours */ }
  if (!fresh || !Array.isArray(typed) || !typed.length) return;
  for (const [name, value] of typed) {
    for (const field of fields(form).filter((one) => one.name === name)) {
      if (!pickable(field)) field.value = value;
      else if (field.value === value) field.checked = true;
    }
  }
  say("Your draft is back.");
}

// Drafts of a test, of practice and of grading know nothing of each other.
const family = (draft) => draft.match(/^(practice|grading)-/)?.[1] || "";

function forgetOtherDrafts(kept, of = family(kept)) {
  for (const key of memory.keys()) {
    const draft = key.startsWith(DRAFT) ? key.slice(DRAFT.length) : kept;
    if (draft !== kept && family(draft) === of) memory.forget(key);
  }
}

// -- words ------------------------------------------------------------------------------------------

function say(text) {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

function showSaved(text) {
  const saved = document.getElementById("saved");
  if (saved) saved.textContent = text;
}

function countWords(area) {
  const words = area.value.trim().split(/\s+/).filter(Boolean).length;
  const over = [...area.value].length - Number(area.dataset.most || Infinity);
  const out = document.getElementById(area.dataset.count);
  if (!out) return;
  out.textContent = `${words === 1 ? "1 word" : `${words} words`}${over > 0 ? `: too long by ${over} letters` : ""}`;
  out.classList.toggle("over", over > 0);
}

// -- shortcuts --------------------------------------------------------------------------------------

const typing = (target) => target.matches("textarea, select, input:not([type=radio]):not([type=checkbox])");

function pickByKey(key) {
  const place = "123456789".indexOf(key);
  const form = document.querySelector("form.answer");
  if (!form) return false;
  let option = form.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!option && place >= 0) option = form.querySelector(`[data-key="${"abcdefghi"[place]}"]`);
  if (!option) return false;
  option.focus();
  option.click();
  return true;
}

// Grading: a digit is the level of the criterion in hand, and the next criterion follows.
function gradeByKey(key) {
  const all = [...document.querySelectorAll("form.grading [data-criterion]")];
  const open = (one) => !one.querySelector("[type=radio]:checked");
  const here = all.find((one) => one.contains(document.activeElement)) || all.find(open);
  const level = here?.querySelector(`[type=radio][value="${CSS.escape(key)}"]`);
  if (!level) return false;
  level.click();
  level.focus();
  return true;
}

// Words of the answer that are selected become the quote of the criterion that was in hand.
let inHand = null;

function quoteByKey() {
  const picked = window.getSelection();
  const words = picked.toString().trim();
  const from = picked.anchorNode?.parentElement?.closest(".says");
  const here = inHand?.isConnected ? inHand : document.querySelector("form.grading [data-criterion]");
  const quote = here?.querySelector("textarea[name$=-quote]");
  if (!words || !from || !quote) return false;
  quote.value = words;
  quote.dispatchEvent(new Event("input", { bubbles: true }));
  say(`Quoted for ${here.querySelector("legend").textContent}.`);
  return true;
}

// What is about to be kept, beside the button: a slip of a finger is seen before it counts.
function showChosen(form) {
  const out = form.querySelector("#chosen");
  const level = (one) => one.querySelector("[type=radio]:checked")?.value ?? "–";
  out.textContent = [...form.querySelectorAll("[data-criterion]")].map((one) => `${one.querySelector("legend").textContent}: ${level(one)}`).join(" · ");
  out.hidden = false;
}

function nextCriterion(target) {
  const all = [...document.querySelectorAll("form.grading [data-criterion]")];
  const next = all[all.findIndex((one) => one.contains(target)) + 1];
  (next ? next.querySelector("[type=radio]") : document.querySelector("form.grading button.main")).focus();
}

function onKey(event) {
  if (event.repeat && event.key === "Enter" && event.target.matches("form.answer :not(textarea), h1, main, body")) return event.preventDefault();
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const help = document.getElementById("help");
  if (help.open) return;
  const answer = document.querySelector("form.answer button.main");
  if (event.key === "Enter" && event.target.matches("form.grading [type=radio]")) {
    event.preventDefault();
    nextCriterion(event.target);
  } else if (event.key === "Enter" && answer && event.target.matches("body, main, h1, [type=radio], [type=checkbox], input:not([type])")) {
    event.preventDefault();
    answer.click();
  } else if (memory.read(KEYS_OFF) || typing(event.target)) {
    return;
  } else if (event.key === "?") {
    event.preventDefault();
    help.showModal();
  } else if (event.key === "q" && quoteByKey()) {
    event.preventDefault();
  } else if (/^[0-9a-h]$/i.test(event.key) && (pickByKey(event.key.toLowerCase()) || gradeByKey(event.key))) {
    event.preventDefault();
  }
}

// -- an interview's next question, as it is worded --------------------------------------------------

const SLOW = 4000; // milliseconds without a word before the page says so
const AGAIN = 1500; // between two tries, where the connection was lost: doubled each time, up to
const SELDOM = 20000;
const SENT = 10000; // milliseconds after which a form that brought no new page may be sent again
const DOUBLE = 500; // milliseconds between the clicks of a double click, at most
let swapped = -Infinity; // when the question on the page came
const wait = (time) => new Promise((done) => { setTimeout(done, time); });

async function hearWords(place, pause = AGAIN) {
  const worded = place.querySelector("#worded");
  const slow = setTimeout(() => place.querySelector("#slow")?.removeAttribute("hidden"), SLOW);
  try {
    const answer = await fetch(place.dataset.words);
    if (!answer.ok) throw new Error(`${answer.status}`);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(slow);
      worded.textContent += part.value;
    }
  } catch { /* what stands on record is shown below, or it is tried again */ }
  clearTimeout(slow);
  await bringNext(place, pause);
}

async function bringNext(place, pause) {
  try {
    const answer = await fetch(place.dataset.next, { headers: { "HX-Request": "true" } });
    const html = await answer.text();
    if (OVER.includes(answer.status)) return window.location.assign(place.dataset.next); // its page says why
    if (!answer.ok) throw new Error(`${answer.status}`);
    if (answer.headers.get("HX-Redirect") || answer.redirected || /^\s*<!doctype/i.test(html)) return window.location.assign(place.dataset.next);
    if (!place.isConnected) return undefined;
    const template = document.createElement("template");
    template.innerHTML = html;
    const question = template.content.querySelector("#question");
    document.getElementById("question").replaceWith(question);
    window.htmx.process(question);
    arrive(question);
    const current = question.querySelector("#current");
    if (current) { current.focus(); say("The next question is here."); }
  } catch {
    const lost = place.querySelector("#lost");
    if (lost?.hidden) say(lost.textContent);
    if (lost) lost.hidden = false;
    await wait(pause);
    if (place.isConnected) {
      place.querySelector("#worded").textContent = "";
      hearWords(place, Math.min(2 * pause, SELDOM));
    }
  }
  return undefined;
}

// -- a page, or a part of one, has arrived ----------------------------------------------------------

function arrive(root) {
  typeset(root);
  for (const area of root.querySelectorAll("textarea[data-count]")) countWords(area);
  const form = document.querySelector("form[data-draft]");
  if (form) {
    forgetOtherDrafts(form.dataset.draft);
    restoreDraft(form);
    if (form.matches(".grading:has(:checked)")) showChosen(form);
    for (const area of form.querySelectorAll("textarea[data-count]")) countWords(area);
  } else if (document.querySelector("[data-drafts]")) {
    const over = document.querySelector("[data-drafts]").dataset.drafts;
    forgetOtherDrafts("", over === "done" ? "" : over);
  }
  for (const place of root.querySelectorAll("[data-if-draft]")) place.hidden = !memory.keys().some((key) => key.startsWith(DRAFT));
  const errors = root.querySelector("#errors");
  if (errors) errors.focus();
  const words = document.querySelector("[data-words]:not([data-heard])");
  if (words) {
    words.dataset.heard = "";
    hearWords(words);
  }
}

// A part of a page that takes a while: said when it is asked for, and focus goes to it when it is there.
function beginWork(event) {
  const form = event.target.closest?.("[data-working]");
  if (form) say(form.dataset.working);
}

function endWork() {
  const arrived = document.querySelector("[data-arrived]");
  if (!arrived) return;
  say(arrived.dataset.arrived);
  delete arrived.dataset.arrived;
  arrived.focus();
}

function afterSwap(event) {
  endWork();
  const question = document.getElementById("question");
  if (!question || event.detail.ctx.swap === "none") return; // "none": an error page, which replaces nothing
  arrive(question);
  document.getElementById("unsent")?.setAttribute("hidden", "");
  swapped = performance.now();
  if (question.querySelector("#errors")) return;
  goTo(question);
  const late = question.querySelector("#late");
  showSaved(late ? "" : "saved ✓");
  say(late ? late.textContent : "Saved. Next question.");
}

// To what is new: a conversation's question stands below all that was said, which may be long.
function goTo(question) {
  const talk = question.querySelector(".turns") && question.querySelector("#current, [data-words]");
  const target = talk?.matches("[tabindex]") ? talk : question.querySelector("h1");
  target.focus({ preventScroll: true });
  if (talk) talk.scrollIntoView({ block: talk.clientHeight < window.innerHeight / 2 ? "center" : "start" });
  else window.scrollTo(0, 0);
}

// The second half of a double click belongs to the question before, not to the one that has just come.
function dropLateClick(event) {
  if (event.detail < 2 || performance.now() - swapped > DOUBLE || !event.target.closest?.("form.answer button")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

// A form that opens another page is sent once, however often its button is pressed on a slow line.
function sendOnce(event) {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post")) return;
  if (form.classList.contains("sent")) {
    event.preventDefault();
    return;
  }
  form.classList.add("sent");
  if (form.dataset.working) say(form.dataset.working);
  setTimeout(() => form.classList.remove("sent"), SENT);
}

function tooLarge(field) {
  const over = [...field.files].some((file) => file.size > Number(field.dataset.most));
  field.setCustomValidity(over ? field.dataset.over : "");
  field.reportValidity();
}

// htmx carries the style of a resized field over to the next one, which the policy rightly forbids.
function dropStyles() {
  for (const sized of document.querySelectorAll("#question [id][style]")) sized.removeAttribute("style");
}

// A redirect to a whole page (a pause, the result) is followed by the browser, not set into this one.
function openWholePage(event) {
  const { text, response } = event.detail.ctx;
  if (response.status >= 400 || !/^\s*<!doctype/i.test(text)) return;
  event.preventDefault();
  window.location.assign(response.raw.url);
}

const OVER = [403, 404, 410];
const WHY_NOT = {
  413: "This is far too long to be sent. What you typed is kept on this device; shorten it and send it again.",
  over: "This could not be sent: the test is no longer open here. What you typed is kept on this device. Maybe open your link again.",
};

function notSent(event) {
  const unsent = document.getElementById("unsent");
  if (!unsent) return;
  const status = event?.detail?.ctx?.response?.status;
  unsent.dataset.plain ??= unsent.textContent;
  unsent.textContent = WHY_NOT[OVER.includes(status) ? "over" : status] || unsent.dataset.plain;
  unsent.hidden = false;
  unsent.scrollIntoView({ block: "nearest" });
  showSaved("not sent");
  say(unsent.textContent);
}

function start() {
  const help = document.getElementById("help");
  const open = document.getElementById("help-open");
  const keys = document.getElementById("help-keys");
  open.hidden = false;
  open.addEventListener("click", () => help.showModal());
  keys.checked = !memory.read(KEYS_OFF);
  keys.addEventListener("change", () => (keys.checked ? memory.forget(KEYS_OFF) : memory.write(KEYS_OFF, "1")));
  document.addEventListener("keydown", onKey);
  document.addEventListener("input", (event) => {
    if (event.target.dataset.count) countWords(event.target);
    if (event.target.form?.dataset.draft) keepDraft(event.target.form);
    if (event.target.type === "radio" && event.target.form?.matches(".grading")) showChosen(event.target.form);
  });
  document.addEventListener("focusin", (event) => { inHand = event.target.closest?.("[data-criterion]") || inHand; });
  document.addEventListener("click", dropLateClick, true);
  document.addEventListener("submit", sendOnce);
  document.addEventListener("change", (event) => event.target.type === "file" && event.target.dataset.most && tooLarge(event.target));
  window.addEventListener("pageshow", () => document.querySelectorAll("form.sent").forEach((form) => form.classList.remove("sent")));
  document.addEventListener("htmx:before:request", beginWork);
  document.addEventListener("htmx:after:swap", afterSwap);
  document.addEventListener("htmx:after:request", openWholePage);
  document.addEventListener("htmx:before:swap", dropStyles);
  document.addEventListener("htmx:response:error", (event) => event.detail.ctx.response.status === 422 || notSent(event));
  document.addEventListener("htmx:error", notSent);
  arrive(document);
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
