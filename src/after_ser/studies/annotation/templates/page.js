"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const answers = new Answers(data);
const at = (id) => document.getElementById(id);
const audio = at("audio");
const PLAY = "M8 5v14l11-7z", PAUSE = "M6 5h4v14H6zM14 5h4v14h-4z", AGAIN = "M12 5V1L7 6l5 5V7a6 6 0 1 1-6 6H4a8 8 0 1 0 8-8z";
const WORDS = { labelled: "", skipped: "skipped", unusable: "unusable" };
const LETTERS = "1234567890qwertyiopadfghjklxvbm";
const SETTINGS = "after-ser/settings";
const settings = { autoplay: true, names: false, speed: "1" };
const paces = [];
let kept = true, shownAt = Date.now();

const current = () => data.clips[answers.at];
const said = (answer) => (answer.status === "labelled" ? answer.label : WORDS[answer.status]) || "";
const clock = (seconds) => Math.floor(seconds / 60) + ":" + String(Math.floor(seconds % 60)).padStart(2, "0");
const position = (now, end) => (end < 60 ? now.toFixed(1) + " / " + end.toFixed(1) + " s" : clock(now) + " / " + clock(end));
const say = (text) => { at("live").textContent = text; };

function warn(text) {
  at("notice").textContent = text;
  at("notice").hidden = !text;
}

// ---- what is shown ----

function build() {
  data.classes.forEach((name, index) => {
    const button = document.createElement("button");
    button.type = "button";
    const key = LETTERS[index];
    if (key) {
      const mark = document.createElement("kbd");
      mark.textContent = key.toUpperCase();
      mark.setAttribute("aria-hidden", "true");
      button.append(mark);
      button.setAttribute("aria-keyshortcuts", key);
    }
    const text = document.createElement("span");
    text.textContent = name;
    button.append(text);
    pressed(button, () => answer("labelled", name));
    at("classes").append(button);
  });
  const keys = [[data.classes.map((_, i) => LETTERS[i] || "").join(" ").toUpperCase(), "the classes, in their order"],
    ["Space", "play and pause"], ["↑", "from the beginning"], ["← →", "clip before, clip after"],
    ["N", "next clip without an answer"], ["S", "skip"], ["U", "unusable"], ["Z", "undo"], ["C", "comment"]];
  for (const [key, text] of keys) {
    at("keys").append(Object.assign(document.createElement("dt"), { textContent: key }),
      Object.assign(document.createElement("dd"), { textContent: text }));
  }
  data.clips.forEach((_, index) => {
    const button = document.createElement("button");
    button.type = "button";
    pressed(button, () => go(index));
    const item = document.createElement("li");
    item.append(button);
    at("list").append(item);
  });
  at("bar").max = data.clips.length;
}

function pressed(button, action) {
  button.addEventListener("click", () => action());
}

// After a click with the mouse the keyboard goes back to the page, so that Space plays again.
document.addEventListener("click", (event) => {
  const focused = document.activeElement;
  if (event.detail > 0 && focused.matches("button, summary, [type=checkbox]")) focused.blur();
});

function show() {
  const mine = answers.all[answers.at], all = data.clips.length, done = answers.answered;
  at("heading").textContent = "Clip " + (answers.at + 1) + " of " + all;
  at("answer").textContent = said(mine) || "no answer yet";
  at("answer").classList.toggle("set", mine.status !== "");
  at("utt").textContent = current().utt;
  at("utt").hidden = !settings.names;
  [...at("classes").children].forEach((button, index) => {
    button.setAttribute("aria-pressed", String(mine.status === "labelled" && mine.label === data.classes[index]));
  });
  at("skip").setAttribute("aria-pressed", String(mine.status === "skipped"));
  at("unusable").setAttribute("aria-pressed", String(mine.status === "unusable"));
  at("undo").disabled = answers.past.length === 0;
  at("previous").disabled = answers.at === 0;
  at("next").disabled = answers.at === all - 1;
  at("open").disabled = done === all;
  if (at("comment").value !== mine.comment) at("comment").value = mine.comment;
  if (document.activeElement !== at("name")) at("name").value = answers.name;
  at("bar").value = done;
  at("count").textContent = done + " of " + all + " answered" + remaining(all - done);
  at("done").hidden = done < all;
  [...at("list").children].forEach((item, index) => {
    const button = item.firstChild, given = said(answers.all[index]);
    const name = settings.names ? " " + data.clips[index].utt : "";
    button.textContent = (index + 1) + "." + name + " " + (given || "–");
    button.classList.toggle("set", given !== "");
    if (index === answers.at) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  });
  showKept();
}

function remaining(open) {
  if (paces.length < 5 || !open) return "";
  const middle = [...paces].sort((a, b) => a - b)[Math.floor(paces.length / 2)];
  const minutes = Math.ceil((open * middle) / 60);
  return ", about " + minutes + " min left";
}

function showKept() {
  const fresh = answers.unsaved ? "There are changes since the last download." : "";
  at("kept").textContent = kept
    ? "Kept in this browser as you go; other people and programs get them by the download. " + fresh
    : "This browser keeps nothing. Download your answers before you close the page. " + fresh;
}

function keep() {
  const before = kept;
  kept = answers.keep();
  if (before && !kept) {
    warn("This browser does not keep your answers (private window, or no room). Download them often.");
  }
  showKept();
}

// ---- going on ----

function go(index, play = settings.autoplay) {
  answers.at = index;
  shownAt = Date.now();
  keep();
  load(play);
  show();
}

function answer(status, label) {
  const seconds = (Date.now() - shownAt) / 1000, index = answers.at;
  if (answers.all[index].status === "" && seconds < 300) paces.push(seconds);
  if (paces.length > 20) paces.shift();
  answers.change({ [index]: { status, label, comment: answers.all[index].comment } });
  const open = answers.nextOpen(index);
  say((label || WORDS[status]) + ". " + (open < 0 ? "Everything is answered." : "Clip " + (open + 1) + "."));
  if (!answers.name && answers.answered === 1) warn("Your name is still missing: it will stand beside each answer.");
  if (open < 0) { keep(); audio.pause(); show(); at("done").scrollIntoView({ block: "nearest" }); } else go(open);
}

function undo() {
  const index = answers.undo();
  if (index < 0) return;
  say("Taken back. Clip " + (index + 1) + ".");
  go(index);
}

// ---- sound ----

function load(play) {
  audio.src = current().source;
  audio.playbackRate = audio.defaultPlaybackRate = Number(settings.speed);
  at("seek").value = 0;
  at("seek").max = current().seconds;
  at("time").textContent = position(0, current().seconds);
  if (play) start();
}

function start() {
  audio.play().catch((problem) => {
    if (problem.name === "NotAllowedError") say("Press Space to play.");
  });
}

function toggle() {
  if (audio.paused) start();
  else audio.pause();
}

function again() {
  audio.currentTime = 0;
  start();
}

function showSound() {
  const length = Number.isFinite(audio.duration) ? audio.duration : current().seconds;
  at("seek").max = length;
  at("seek").value = audio.currentTime;
  at("seek").setAttribute("aria-valuetext", position(audio.currentTime, length));
  at("time").textContent = position(audio.currentTime, length);
  at("sign").setAttribute("d", !audio.paused ? PAUSE : audio.ended ? AGAIN : PLAY);
  at("play-text").textContent = !audio.paused ? "Pause" : audio.ended ? "Play again" : "Play";
}

for (const name of ["timeupdate", "play", "pause", "ended", "loadedmetadata", "seeked"]) {
  audio.addEventListener(name, showSound);
}
audio.addEventListener("loadeddata", () => { if (!at("notice").dataset.audio) return; delete at("notice").dataset.audio; warn(""); });
audio.addEventListener("error", () => {
  at("notice").dataset.audio = "1";
  warn("Clip " + (answers.at + 1) + " cannot be played (" + current().audio
    + "). If the file is where it should be, answer Unusable.");
});
at("seek").addEventListener("input", () => { audio.currentTime = Number(at("seek").value); });

// ---- files ----

function download() {
  if (!answers.name.trim()) {
    warn("Write your name first: it stands beside each answer.");
    at("name").focus();
    return;
  }
  const now = new Date(), two = (number) => String(number).padStart(2, "0");
  const date = [now.getFullYear(), now.getMonth() + 1, now.getDate()].map(two).join("");
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join("");
  const who = answers.name.trim().replace(/[^\p{L}\p{N}]+/gu, "-");
  const link = document.createElement("a");
  const blob = new Blob([formatCsv(answers.rows())], { type: "text/csv;charset=utf-8" });
  link.href = URL.createObjectURL(blob);
  link.download = [data.run, data.asked, who, date, time].join("_") + ".csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  answers.unsaved = 0;
  warn("");
  at("report").textContent = link.download + ": " + answers.answered + " of " + data.clips.length + " clips are answered.";
  keep();
}

async function take(file) {
  if (!file) return;
  try {
    at("report").textContent = file.name + ": " + answers.take(parseCsv(await file.text()));
  } catch (problem) {
    at("report").textContent = file.name + " was not taken: " + problem.message + ".";
    return;
  }
  const open = answers.all[answers.at].status === "" ? answers.at : answers.nextOpen(answers.at);
  go(open < 0 ? answers.at : open, false);
}

function startOver() {
  if (answers.unsaved && !confirm("There are answers that were not downloaded. Forget them?")) return;
  if (!answers.unsaved && !confirm("Forget what this browser keeps of this queue? Downloaded files stay.")) return;
  answers.clear();
  go(0, false);
}

// ---- keys and events ----

function digit(event) {
  const place = /^(Digit|Numpad)(\d)$/.exec(event.code);
  if (/^\d$/.test(event.key)) return event.key;
  return place && place[1] === "Digit" && !event.shiftKey ? place[2] : event.key.toLowerCase();
}

document.addEventListener("keydown", (event) => {
  const target = event.target, typing = target.matches("textarea, select, input:not([type=range], [type=checkbox])");
  if (target === at("comment") && (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey))) {
    event.preventDefault();
    target.blur();
    return;
  }
  if (target === at("name") && (event.key === "Enter" || event.key === "Escape")) target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const onControl = target.matches("button, summary, a, [type=checkbox]");
  if (event.key === " " && onControl) return; // a button reached by Tab does what it says
  if (event.key.startsWith("Arrow") && target.matches("[type=range]")) return;
  const key = digit(event), place = LETTERS.indexOf(key);
  const actions = {
    " ": toggle, arrowup: again, z: undo, s: () => answer("skipped", ""), u: () => answer("unusable", ""),
    arrowleft: () => answers.at > 0 && go(answers.at - 1),
    arrowright: () => answers.at < data.clips.length - 1 && go(answers.at + 1),
    n: () => at("open").click(), c: () => at("comment").focus(),
  };
  let action = Object.hasOwn(actions, key) ? actions[key] : null;
  if (!action && key.length === 1 && place >= 0 && place < data.classes.length) {
    action = () => answer("labelled", data.classes[place]);
  }
  if (!action) return;
  event.preventDefault();
  if (event.repeat && !key.startsWith("arrow")) return; // a key that is held answers one clip only
  action();
});

pressed(at("play"), toggle);
pressed(at("skip"), () => answer("skipped", ""));
pressed(at("unusable"), () => answer("unusable", ""));
pressed(at("undo"), undo);
pressed(at("previous"), () => go(answers.at - 1));
pressed(at("next"), () => go(answers.at + 1));
pressed(at("open"), () => { const open = answers.nextOpen(answers.at); if (open >= 0) go(open); });
pressed(at("export"), download);
pressed(at("clear"), startOver);
pressed(at("import"), () => at("file").click());
at("file").addEventListener("change", () => { take(at("file").files[0]).then(() => { at("file").value = ""; }); });
at("comment").addEventListener("input", () => { answers.comment(answers.at, at("comment").value); keep(); });
at("name").addEventListener("input", () => {
  answers.name = at("name").value;
  answers.unsaved += answers.answered;
  if (answers.name && !at("notice").dataset.audio) warn("");
  keep();
});

for (const name of ["autoplay", "names", "speed"]) {
  at(name).addEventListener("change", () => {
    settings[name] = name === "speed" ? at(name).value : at(name).checked;
    audio.playbackRate = audio.defaultPlaybackRate = Number(settings.speed);
    try { localStorage.setItem(SETTINGS, JSON.stringify(settings)); } catch { /* they last as long as the page */ }
    show();
  });
}

// The same page in another tab: both keep under one key, so this one follows.
addEventListener("storage", (event) => {
  if (event.key !== answers.key || event.newValue === null) return;
  const place = answers.at;
  answers.clear();
  answers.restore();
  answers.at = place;
  show();
});

addEventListener("beforeunload", (event) => { if (!kept && answers.unsaved) event.preventDefault(); });

try {
  const own = JSON.parse(localStorage.getItem(SETTINGS));
  if (own && typeof own.autoplay === "boolean") settings.autoplay = own.autoplay;
  if (own && typeof own.names === "boolean") settings.names = own.names;
  if (own && [...at("speed").options].some((option) => option.value === own.speed)) settings.speed = own.speed;
} catch { /* nothing was kept */ }
at("autoplay").checked = settings.autoplay;
at("names").checked = settings.names;
at("speed").value = settings.speed;
build();
const restored = answers.restore();
at("sign").setAttribute("d", PLAY);
keep();
load(false);
show();
if (restored) at("report").textContent = "Going on where you were: " + answers.answered + " answers are kept in this browser.";
