"use strict";
// Every text of the data enters the page as textContent or as a value that is set, never as HTML.
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const onDisk = ["file:", "http:", "https:"].includes(location.protocol);
  const byId = (id) => document.getElementById(id);
  const percent = (share) => (100 * share).toFixed(0) + " %";

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    for (const child of children) made.append(child);
    return made;
  }
  function drawn(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // One player for the whole page.
  const audio = byId("sound");
  function source(clip) {
    if (data.sounds[clip]) return data.sounds[clip];
    return onDisk ? data.clips[clip].file : null;
  }
  function play(clip, about) {
    const one = data.clips[clip];
    byId("player").hidden = false;
    byId("playing").textContent = one.utt + " · " + data.corpora[one.corpus] + " · " +
      one.seconds.toFixed(1) + " s" + (about ? " · " + about : "");
    const link = byId("original");
    link.hidden = !onDisk;
    link.setAttribute("href", one.file);
    const address = source(clip);
    if (!address) {
      audio.removeAttribute("src");
      audio.load();
      byId("problem").textContent = "This clip is not inside the page. " + data.where;
      return;
    }
    byId("problem").textContent = "";
    audio.src = address;
    audio.play().catch(() => {});
  }
  audio.addEventListener("error", () => {
    if (audio.getAttribute("src")) {
      byId("problem").textContent = "The file was not found. " + data.where;
    }
  });
  function playButton(clip, about) {
    const button = element("button", { "aria-label": "play " + data.clips[clip].utt }, "▶");
    if (source(clip)) {
      button.addEventListener("click", () => play(clip, about));
    } else {
      button.disabled = true;
      button.title = data.where;
    }
    return button;
  }
  function bar(share, wrong) {
    const cell = element("td");
    const part = element("span", { class: wrong ? "bar wrong" : "bar" });
    part.style.width = (4 * share).toFixed(2) + "rem";
    cell.append(part, percent(share));
    return cell;
  }
  function row(...cells) {
    return element("tr", {}, ...cells.map((cell) =>
      cell instanceof Element ? cell : element("td", {}, String(cell))));
  }
  const text = (content) => element("td", { class: "text" }, content);

  // Colours: rounds from dark to light (viridis), classes and corpora from Okabe and Ito.
  const NAMED = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8B5A2B",
    "#000000"];
  const VIRIDIS = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"];
  const REST = "#c9c9c9";
  function roundColour(index, count) {
    if (count === 1) return VIRIDIS[0];
    const place = (index / (count - 1)) * (VIRIDIS.length - 1);
    const low = Math.min(Math.floor(place), VIRIDIS.length - 2);
    const mix = (from, to, at) => Math.round(
      parseInt(from.slice(at, at + 2), 16) * (low + 1 - place) +
      parseInt(to.slice(at, at + 2), 16) * (place - low));
    return "rgb(" + [1, 3, 5].map((at) => mix(VIRIDIS[low], VIRIDIS[low + 1], at)).join() + ")";
  }

  let run = data.runs[0];
  // the first round that a model chose; with most of the pool picked a map shows no choice
  let listed = Math.min(1, run.rounds.length - 1);
  const halfway = (rounds) => Math.max(0, rounds.filter((one) => one.budget <= 0.5).length - 1);

  function pointText(point) {
    const label = point[4] < 0 ? "not labelled" : data.classes[point[4]];
    const when = point[3] < 0 ? "never picked" : "picked in round " + run.rounds[point[3]].index;
    return label + " · " + when;
  }

  function showMap() {
    const map = byId("map"), how = byId("colour").value, until = Number(byId("until").value);
    const size = { width: 700, height: 480, margin: 26 };
    map.replaceChildren();
    map.setAttribute("viewBox", "0 0 " + size.width + " " + size.height);
    const xs = run.points.map((p) => p[1]), ys = run.points.map((p) => p[2]);
    const scale = (values, from, to) => {
      const low = Math.min(...values), high = Math.max(...values);
      return (v) => high > low ? from + ((v - low) / (high - low)) * (to - from) : (from + to) / 2;
    };
    const x = scale(xs, size.margin, size.width - size.margin);
    const y = scale(ys, size.height - size.margin, size.margin);
    map.append(drawn("text", { class: "axis", x: size.width / 2, y: size.height - 5,
      "text-anchor": "middle" }, "component 1 (" + percent(run.explained[0]) + " of the variance) →"));
    map.append(drawn("text", { class: "axis", x: 12, y: size.height / 2, "text-anchor": "middle",
      transform: "rotate(-90 12 " + size.height / 2 + ")" },
    "component 2 (" + percent(run.explained[1]) + ") →"));
    const colour = (point) => {
      if (how === "round") return point[3] < 0 || point[3] > until ? REST :
        roundColour(point[3], run.rounds.length);
      const value = how === "class" ? point[4] : data.clips[point[0]].corpus;
      return value < 0 ? REST : NAMED[value % NAMED.length];
    };
    // what is picked lies above what is not
    const height = (point) => (point[3] > until ? -1 : point[3]);
    const order = run.points.slice().sort((a, b) => height(a) - height(b));
    for (const point of order) {
      const picked = point[3] >= 0 && point[3] <= until;
      const latest = picked && point[3] === until;
      const dot = drawn("circle", { cx: x(point[1]).toFixed(1), cy: y(point[2]).toFixed(1),
        r: latest ? 6 : picked ? 4.5 : 2.6, fill: colour(point), "fill-opacity": picked ? 0.95 : 0.55,
        stroke: latest ? "#000" : "#fff", "stroke-width": latest ? 1 : 0.4 });
      dot.append(drawn("title", {}, data.clips[point[0]].utt + "\n" + pointText(point)));
      dot.addEventListener("click", () => play(point[0], pointText(point)));
      map.append(dot);
    }
    const entries = [];
    const count = (test) => run.points.filter(test).length;
    if (how === "round") {
      run.rounds.forEach((one, i) => {
        if (i <= until) entries.push([roundColour(i, run.rounds.length),
          "round " + one.index + " (" + count((p) => p[3] === i) + " shown)"]);
      });
      entries.push([REST, "not picked yet (" + count((p) => p[3] < 0 || p[3] > until) + " shown)"]);
    } else if (how === "class") {
      data.classes.forEach((name, i) => entries.push([NAMED[i % NAMED.length], name]));
      if (!data.truth) entries.push([REST, "not labelled"]);
    } else {
      data.corpora.forEach((name, i) => entries.push([NAMED[i % NAMED.length], name]));
    }
    byId("legend").replaceChildren(...entries.map(([fill, name]) => {
      const mark = drawn("svg", { viewBox: "0 0 14 14" });
      mark.append(drawn("circle", { cx: 7, cy: 7, r: 5.5, fill: fill }));
      return element("li", {}, mark, name);
    }));
    const here = run.rounds[until];
    byId("until-text").textContent = "round " + here.index + " (" + here.tick + " labelled)";
    byId("shown").textContent = run.points.length < run.train ?
      "Shown are " + run.points.length + " of the " + run.train + " clips of the pool, drawn by " +
      "lot; half of the places are kept for picked ones." :
      "Shown are all " + run.train + " clips of the pool.";
  }

  function showPicks() {
    const one = run.rounds[listed];
    byId("rounds").replaceChildren(...run.rounds.map((round, i) => {
      const button = element("button", { "aria-pressed": String(i === listed) },
        "round " + round.index + " (" + round.tick + ")");
      button.addEventListener("click", () => { listed = i; showPicks(); });
      return button;
    }));
    byId("picked").textContent = one.listed.length < one.new ?
      "The first " + one.listed.length + " of " + one.new + " clips, in the order in which they " +
      "were asked for." : "All " + one.new + " clips, in the order in which they were asked for.";
    byId("guessed").hidden = one.listed.some((pick) => pick.says >= 0);
    byId("pick-rows").replaceChildren(...one.listed.map((pick) => {
      const clip = data.clips[pick.clip], label = data.classes[pick.label];
      const play = element("td", {}, playButton(pick.clip, label));
      const told = pick.truth >= 0 && pick.truth !== pick.label ?
        label + " (corpus: " + data.classes[pick.truth] + ")" : label;
      const guess = pick.says < 0 ? [text("–"), "–"] :
        [text(data.classes[pick.says] + (pick.says === pick.label ? " ✓" : " ✗")),
          bar(pick.sure, pick.says !== pick.label)];
      return row(pick.rank, play, text(clip.utt), text(data.corpora[clip.corpus]), text(told),
        ...guess, pick.score);
    }));
  }

  let kind = data.kinds.length ? data.kinds[0].name : "";
  function showSuspects() {
    byId("kinds").replaceChildren(...data.kinds.map((one) => {
      const button = element("button", { "aria-pressed": String(one.name === kind) },
        one.title + " (" + one.wrong + ")");
      button.addEventListener("click", () => { kind = one.name; showSuspects(); });
      return button;
    }));
    const here = data.kinds.find((one) => one.name === kind);
    byId("kind").textContent = here ? here.text : "";
    byId("suspects").replaceChildren(...data.suspects.filter((one) => one.source === kind)
      .map((one) => {
        const clip = data.clips[one.clip], label = data.classes[one.label];
        const says = data.classes[one.says];
        const about = "labelled " + label + ", the model says " + says;
        return row(element("td", {}, playButton(one.clip, about)), text(clip.utt),
          text(data.corpora[clip.corpus]), text(label), text(says), bar(one.p_says, true),
          bar(one.p_label, false), one.agree + " of " + one.models);
      }));
  }

  function choose(index) {
    run = data.runs[index];
    listed = Math.min(listed, run.rounds.length - 1);
    const until = byId("until");
    until.max = run.rounds.length - 1;
    until.value = halfway(run.rounds);
    showMap();
    showPicks();
  }
  const chooser = byId("run");
  data.runs.forEach((one, i) => chooser.append(
    element("option", { value: i }, "fold " + one.fold + ", seed " + one.seed)));
  chooser.addEventListener("change", () => choose(Number(chooser.value)));
  byId("colour").addEventListener("change", showMap);
  byId("until").addEventListener("input", showMap);
  choose(0);
  showSuspects();
})();
