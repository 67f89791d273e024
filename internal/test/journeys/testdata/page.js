// What a person sees of a page: the tests of this folder evaluate this file and call its functions. It changes nothing.
(() => {
	const plain = (text) => text.replace(/[⁦-⁩‎‏]/g, "").replace(/\s+/g, " ").trim();
	const seen = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
	const say = (e) => e.tagName.toLowerCase() + (e.name ? `[name=${e.name}]` : "") + ` "${plain(e.textContent).slice(0, 60)}"`;

	// stops are what Tab leads to, in the order of the document.
	const stops = () => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]")]
		.filter((e) => !e.disabled && e.getAttribute("tabindex") !== "-1" && seen(e));

	// titleOf is the heading of the part of the page that an element is in.
	const titleOf = (e) => {
		for (let part = e; part; part = part.parentElement) {
			const by = part.getAttribute("aria-labelledby");
			if (by && document.getElementById(by)) return plain(document.getElementById(by).textContent);
		}
		return "";
	};
	const roles = {
		button: (e) => e.tagName === "BUTTON",
		link: (e) => e.tagName === "A",
		summary: (e) => e.tagName === "SUMMARY",
		field: (e) => !!e.labels && e.tagName !== "BUTTON",
	};
	const nameOf = (e) => (roles.field(e) ? [...e.labels].map((l) => plain(l.textContent)).join(" ") : plain(e.textContent));

	// formOf is the name of the first field of the form that an element is in.
	const formOf = (e) => {
		const first = e.form && [...e.form.elements].find((f) => f.labels && f.labels.length > 0);
		return first ? nameOf(first) : "";
	};

	// find returns the only element of a role and a name, in the part of the page with a title if there is one. The
	// title of a form without a heading is the name of its first field.
	const find = (role, name, title) => {
		const all = stops().filter((e) => roles[role](e) && nameOf(e) === name && (title === "" || titleOf(e) === title || formOf(e) === title));
		if (all.length !== 1) {
			const there = stops().filter(roles[role]).map((e) => `${titleOf(e) || formOf(e)} > ${nameOf(e)}`);
			throw new Error(`the page has ${all.length} of ${role} "${name}", and has:\n${there.join("\n")}`);
		}
		return all[0];
	};

	// point is the middle of the first box of an element, where a person clicks. Nothing may lie above it.
	const point = (e) => {
		const box = e.getClientRects()[0];
		const x = box.x + box.width / 2, y = box.y + box.height / 2;
		const hit = document.elementFromPoint(x, y);
		return { x, y, free: hit !== null && (e === hit || e.contains(hit)) };
	};

	// rgb reads a computed color.
	const rgb = (color) => {
		const parts = (color.match(/[\d.]+/g) || []).map(Number);
		return color.startsWith("rgb") && (parts.length === 3 || parts[3] > 0) ? parts.slice(0, 3) : null;
	};
	const light = (parts) => {
		const [r, g, b] = parts.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const ground = (e) => {
		for (let at = e.parentElement; at; at = at.parentElement) {
			const color = rgb(getComputedStyle(at).backgroundColor);
			if (color) return color;
		}
		return [255, 255, 255];
	};

	// focused describes the element that has the focus, and what is wrong with how that shows. ring says that the page
	// must draw it.
	const focused = (ring) => {
		const e = document.activeElement;
		if (!e || e === document.body || e === document.documentElement) return { at: -1, what: "nothing", wrong: [] };
		const wrong = [], style = getComputedStyle(e), box = e.getBoundingClientRect();
		if (!seen(e)) wrong.push("it is not visible");
		if (box.width < 1 || box.height < 1) wrong.push("it has no size");
		if (box.left < 0 || box.top < 0 || box.right > innerWidth + 0.5 || (box.bottom > innerHeight + 0.5 && box.height <= innerHeight))
			wrong.push(`it is not in the window: ${JSON.stringify(box)} of ${innerWidth} x ${innerHeight}`);
		else if (!point(e).free) wrong.push("something lies above it");
		if (ring) {
			const width = parseFloat(style.outlineWidth), color = rgb(style.outlineColor);
			if (style.outlineStyle === "none" || !(width >= 2) || !color) wrong.push(`its outline is ${style.outline}`);
			else {
				const [a, b] = [light(color), light(ground(e))].sort((a, b) => b - a);
				if ((a + 0.05) / (b + 0.05) < 3) wrong.push(`its outline ${style.outline} does not show on ${ground(e)}`);
			}
		}
		return { at: stops().indexOf(e), what: say(e), wrong, parts: e.type === "date" };
	};

	return {
		// place is where an element is among the stops.
		place: (role, name, title) => stops().indexOf(find(role, name, title)),
		stops: () => stops().length,
		focused,
		// aim brings an element into the window and returns where to click.
		aim: (role, name, title) => {
			const e = find(role, name, title);
			e.scrollIntoView({ block: "center", behavior: "instant" });
			return point(e);
		},
		value: (name, title) => find("field", name, title).value,
		// option returns how many options a choice is away from the one that is chosen.
		option: (name, title, text) => {
			const e = find("field", name, title);
			const to = [...e.options].findIndex((o) => plain(o.textContent) === text);
			if (to < 0) throw new Error(`no option ${text}`);
			return to - e.selectedIndex;
		},
		choose: (name, title, text) => {
			const e = find("field", name, title);
			e.value = [...e.options].find((o) => plain(o.textContent) === text).value;
			e.dispatchEvent(new Event("change", { bubbles: true }));
			return true;
		},
		text: () => (document.body ? plain(document.body.innerText) : ""),
		here: () => String(performance.timeOrigin),
		// arrived reports whether another page is there: not one that leads on by itself, and with the cursor where the
		// page wants it.
		arrived: (left) => String(performance.timeOrigin) !== left && document.readyState === "complete" && document.querySelector("meta[http-equiv=refresh]") === null &&
			(document.querySelector("[autofocus]") === null || document.activeElement !== document.body),
	};
})()
