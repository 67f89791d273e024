package oauth_test

import (
	"fmt"

	"github.com/posternauth/postern/oauth"
)

func ExampleFacebook() {
	facebook := oauth.Facebook(oauth.Config{ClientID: "app id", ClientSecret: "app secret"})
	fmt.Println(facebook.Check())
	// Output: <nil>
}

func ExampleSpotify() {
	spotify := oauth.Spotify(oauth.Config{ClientID: "id", ClientSecret: "secret"})
	fmt.Println(spotify.Check())
	// Output: <nil>
}

func ExampleDiscord() {
	discord := oauth.Discord(oauth.Config{ClientID: "id", ClientSecret: "secret", Prompt: "none"})
	fmt.Println(discord.Check())
	// Output: <nil>
}

// With the address that X calls confirmed.
func ExampleX() {
	x := oauth.X(oauth.Config{ClientID: "id", ClientSecret: "secret", Scopes: []string{"users.read", "tweet.read", "users.email"}})
	fmt.Println(x.Check())
	// Output: <nil>
}

func ExampleLinkedIn() {
	linkedin := oauth.LinkedIn(oauth.Config{ClientID: "id", ClientSecret: "secret"})
	fmt.Println(linkedin.Check())
	// Output: <nil>
}
