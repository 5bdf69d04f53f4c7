"""Other keys. Last: in SDK 0.115 a client that closes takes the connections of all others along."""

from world import URL, client, closed, failure, scenario, sdk


@scenario
async def wrong_key(world):
    config = sdk.DaytonaConfig(api_key="not-a-key", api_url=URL, target="us")
    stranger = client(config)
    try:
        return await failure(stranger.get(world.sandbox.id))
    finally:
        await closed(stranger)
