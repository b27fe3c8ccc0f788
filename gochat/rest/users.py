"""`users`: what others see of a user."""

from gochat.contract import parameters, requests, shapes
from gochat.contract.encode import user_out
from gochat.core.errors import InvalidPayload
from gochat.core.names import folded
from gochat.core.rates import CONTACTS, SEARCH, Key
from gochat.rest.call import UserCall
from gochat.rest.deps import Deps


async def users(deps: Deps, call: UserCall[parameters.Users]) -> shapes.UserList:
    """`GET users?ids=` or `GET users?prefix=`."""
    ids, prefix = call.request.ids, call.request.prefix
    if (ids is None) == (prefix is None):
        raise InvalidPayload("One of ids and prefix has to be given.", field="ids")
    if prefix is not None:
        await deps.shared_rates.take(SEARCH, {Key.USER: str(call.user_id)})
        found = await deps.accounts.search(folded(prefix))
    else:
        found = await deps.accounts.users(dict.fromkeys(ids or ()))
    return {"users": [user_out(user) for user in found]}


async def contacts(deps: Deps, call: UserCall[requests.Contacts]) -> shapes.ContactList:
    """`POST users/contacts`."""
    # What is counted is which numbers they are: the same text is another one in each country.
    read = await deps.contacts.read(list(dict.fromkeys(call.request.numbers)), call.request.region)
    phones = set(read.values())
    await deps.shared_rates.take_new(CONTACTS, Key.USER, str(call.user_id), phones)
    found = await deps.contacts.find(call.user_id, phones)
    known = [(number, found[phone]) for number, phone in read.items() if phone in found]
    return {"contacts": [{"number": number, "user": user_out(user)} for number, user in known]}
