# The image of `postern serve`: the static binary, certificates of public CAs, and nothing else. RELEASE is what
# `postern version` prints: docker build --build-arg RELEASE=v0.1.0 .
FROM golang:1.26 AS build
ARG RELEASE=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.release=$RELEASE" -o /postern ./cmd/postern

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /postern /postern
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/postern"]
CMD ["serve", "--config", "/etc/postern/postern.toml"]
