"""What every route and page is built on: who asks, what was sent, how it is answered and refused."""
