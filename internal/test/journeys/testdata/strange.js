// What of a page does not come from the templates: elements and attributes by name, and where links and forms lead.
((elements, attributes, mail) => {
	const found = [], ours = ["app.example", "idp.example", "mail.example"];
	for (const e of document.querySelectorAll("*")) {
		const tag = e.tagName.toLowerCase();
		if (!elements.includes(tag)) found.push(`the element ${e.outerHTML.slice(0, 200)}`);
		for (const { name, value } of e.attributes) {
			if (!attributes.includes(name) || (name === "style" && !mail)) found.push(`the attribute ${name} of ${e.outerHTML.slice(0, 200)}`);
			if (["href", "src", "action", "srcset"].includes(name)) {
				const to = new URL(value, document.baseURI);
				if (to.protocol !== "https:" || !ours.includes(to.host)) found.push(`the address ${value}`);
			}
			if (name === "content" && e.httpEquiv) found.push(`the refresh ${value}`);
		}
		if ((tag === "style" && !mail) || (tag === "script" && e.textContent !== "")) found.push(`the inline ${e.outerHTML.slice(0, 200)}`);
	}
	return found;
})
