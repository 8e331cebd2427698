"use strict";

const STATUSES = ["labelled", "skipped", "unusable"];

/** The answers to a queue: what they are, how they are kept, taken back, and read from a file. */
class Answers {
  constructor(data) {
    this.data = data;
    this.key = ["after-ser", data.run, data.asked, data.hash].join("/");
    this.places = new Map(data.clips.map((clip, index) => [clip.utt, index]));
    this.clear();
  }

  clear() {
    this.all = this.data.clips.map(() => ({ status: "", label: "", comment: "" }));
    this.name = "";
    this.at = 0;
    this.unsaved = 0; // changes since the last download
    this.past = [];
  }

  get answered() {
    return this.all.filter((answer) => answer.status !== "").length;
  }

  /** The first clip without an answer after `index`, around the end; -1 where all have one. */
  nextOpen(index) {
    const count = this.all.length;
    for (let step = 1; step <= count; step++) {
      const place = (index + step) % count;
      if (this.all[place].status === "") return place;
    }
    return -1;
  }

  /** The class that a person wrote in any case and with blanks around it; else what was written. */
  known(text) {
    if (this.data.classes.includes(text)) return text;
    const plain = text.trim();
    return this.data.classes.find((name) => name.toLowerCase() === plain.toLowerCase()) ?? plain;
  }

  valid(status, label) {
    return status === "labelled" ? this.data.classes.includes(label) : label === "" && STATUSES.includes(status);
  }

  /** Change answers ({index: answer}) as one step that can be taken back. */
  change(changes) {
    const before = Object.keys(changes).map((index) => [Number(index), this.all[index]]);
    this.past.push({ before, at: this.at });
    for (const [index, answer] of Object.entries(changes)) this.all[index] = answer;
    this.unsaved += before.length;
  }

  comment(index, text) {
    this.all[index] = { ...this.all[index], comment: text };
    this.unsaved += 1;
  }

  /** Take back the last step; comments stay. Returns the clip it was about, or -1. */
  undo() {
    const step = this.past.pop();
    if (!step) return -1;
    for (const [index, answer] of step.before) {
      this.all[index] = { ...answer, comment: this.all[index].comment };
    }
    this.unsaved += 1;
    return step.at;
  }

  /** Keep everything in the browser; false where it keeps nothing (private mode, no room). */
  keep() {
    const answers = Object.create(null); // a clip may be called __proto__
    this.all.forEach((answer, index) => {
      if (answer.status || answer.comment) answers[this.data.clips[index].utt] = answer;
    });
    const state = { version: 1, name: this.name, at: this.at, unsaved: this.unsaved, answers };
    try {
      localStorage.setItem(this.key, JSON.stringify(state));
      return true;
    } catch {
      return false;
    }
  }

  /** Take up what the browser kept; whatever is not an answer to this queue is left out. */
  restore() {
    let state = null;
    try {
      state = JSON.parse(localStorage.getItem(this.key));
    } catch {
      return false;
    }
    if (!state || state.version !== 1 || typeof state.answers !== "object" || !state.answers) return false;
    for (const [utt, answer] of Object.entries(state.answers)) {
      const index = this.places.get(utt);
      if (index === undefined || !answer) continue;
      const { status = "", label = "" } = answer;
      const comment = typeof answer.comment === "string" ? answer.comment : "";
      const good = status !== "" && this.valid(status, label);
      this.all[index] = good ? { status, label, comment } : { status: "", label: "", comment };
    }
    this.name = typeof state.name === "string" ? state.name : "";
    this.at = Number.isInteger(state.at) && state.at >= 0 && state.at < this.all.length ? state.at : 0;
    this.unsaved = Number.isInteger(state.unsaved) ? state.unsaved : 0;
    return this.answered > 0;
  }

  rows() {
    return this.data.clips.map((clip, index) => {
      const { label, status, comment } = this.all[index];
      const annotator = status || comment ? typed(this.name) : "";
      return { rank: clip.rank, utt: clip.utt, audio: clip.audio, label, status, annotator, comment: typed(comment) };
    });
  }

  /** Take answers from the rows of a CSV; returns what was and was not taken, in sentences. */
  take(rows) {
    const given = [...new Set(rows.map((row) => untyped(row.annotator || "")).filter(Boolean))];
    if (given.length > 1) throw new Error("it holds answers of " + given.length + " people; a page is for one");
    if (given.length && this.name && given[0] !== this.name && this.answered) {
      throw new Error("it is by " + given[0] + ", this page by " + this.name);
    }
    const found = new Map(), twice = new Set();
    let foreign = 0, unknown = 0;
    for (const row of rows) {
      const index = this.places.get(row.utt);
      const label = this.known(row.label), comment = untyped(row.comment || "");
      const status = row.status.trim().toLowerCase() || (label ? "labelled" : "");
      if (index === undefined) foreign++;
      else if (status === "" && comment === "") continue;
      else if (status !== "" && !this.valid(status, label)) unknown++;
      else {
        const answer = { status, label, comment };
        const other = found.get(index);
        if (other && (other.status !== status || other.label !== label)) twice.add(index);
        found.set(index, answer);
      }
    }
    twice.forEach((index) => found.delete(index));
    const changes = {};
    let differing = 0;
    for (const [index, answer] of found) {
      const mine = this.all[index];
      if (mine.status && answer.status && (mine.status !== answer.status || mine.label !== answer.label)) differing++;
      else if (mine.status) changes[index] = { ...mine, comment: mine.comment || answer.comment };
      else changes[index] = { ...answer, comment: mine.comment || answer.comment };
    }
    if (Object.keys(changes).length) this.change(changes);
    if (given.length) this.name = given[0];
    const sentences = [[Object.keys(changes).length, "answers taken from the file"],
      [differing, "clips have other answers here, which stay"],
      [twice.size, "clips are in the file twice with different answers: not taken"],
      [unknown, "rows have an unknown label or status: not taken"],
      [foreign, "rows are about clips of another queue: not taken"]];
    return sentences.filter(([n], i) => n || i === 0).map(([n, text]) => n + " " + text + ".").join("\n");
  }
}
